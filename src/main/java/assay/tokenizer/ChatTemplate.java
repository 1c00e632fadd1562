package assay.tokenizer;

import assay.model.UserError;
import assay.tokenizer.jinja.Template;
import assay.tokenizer.jinja.TemplateException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Turns a conversation into a prompt, by the Jinja template that comes with a tokenizer. */
public final class ChatTemplate {
  /**
   * Something that was said.
   *
   * @param role system, user or assistant
   */
  public record Message(String role, String content) {}

  private final Tokenizer tokenizer;
  private final Template template;

  /**
   * The template of a tokenizer.
   *
   * @throws UserError when it has none, or one that cannot be read
   */
  public ChatTemplate(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
    String text =
        tokenizer
            .chatTemplate()
            .orElseThrow(
                () -> new UserError("the tokenizer has no chat template: expected one for --chat"));
    try {
      this.template = Template.parse(text);
    } catch (TemplateException e) {
      throw new UserError("the chat template cannot be read: " + e.getMessage());
    }
  }

  /**
   * The prompt, up to where the assistant is to speak.
   *
   * @throws UserError when the template fails on it
   */
  public String render(List<Message> messages) {
    List<Map<String, String>> spoken = new ArrayList<>();
    for (Message m : messages) {
      Map<String, String> one = new LinkedHashMap<>();
      one.put("role", m.role());
      one.put("content", m.content());
      spoken.add(one);
    }
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("messages", spoken);
    values.put("add_generation_prompt", true);
    values.put("bos_token", text(tokenizer.beginToken()));
    values.put("eos_token", text(tokenizer.endToken()));
    try {
      return template.render(values, LocalDateTime::now);
    } catch (TemplateException e) {
      throw new UserError("the chat template fails: " + e.getMessage());
    }
  }

  private String text(OptionalInt token) {
    return token.isEmpty()
        ? ""
        : new String(tokenizer.decode(new int[] {token.getAsInt()}, true), StandardCharsets.UTF_8);
  }
}
