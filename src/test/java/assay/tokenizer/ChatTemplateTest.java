package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import assay.tokenizer.jinja.Template;
import assay.tokenizer.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Chat templates in the manner of ChatML, Llama 2 and 3, Mistral, Zephyr, Gemma and Phi against
 * what Jinja itself renders (src/test/resources/chat).
 */
class ChatTemplateTest {
  @TestFactory
  Stream<DynamicTest> rendersAsJinja() throws IOException {
    JsonNode root =
        new JsonMapper().readTree(Files.readString(Path.of("src/test/resources/chat/chat.json")));
    List<DynamicTest> out = new ArrayList<>();
    for (JsonNode c : root.get("cases")) {
      String template = c.get("template").stringValue();
      String text = root.get("templates").get(template).stringValue();
      out.add(
          DynamicTest.dynamicTest(
              template + " " + c.get("conversation").stringValue(), () -> check(text, c)));
    }
    assertEquals(32, out.size());
    return out.stream();
  }

  private static void check(String text, JsonNode c) {
    if (c.has("error")) {
      String message =
          assertThrows(TemplateException.class, () -> render(text, c.get("messages"))).getMessage();
      assertTrue(message.contains(c.get("error").stringValue()), message);
    } else {
      assertEquals(c.get("prompt").stringValue(), render(text, c.get("messages")));
    }
  }

  private static String render(String text, JsonNode messages) {
    List<Map<String, String>> spoken = new ArrayList<>();
    for (JsonNode m : messages) {
      Map<String, String> one = new LinkedHashMap<>();
      one.put("role", m.get("role").stringValue());
      one.put("content", m.get("content").stringValue());
      spoken.add(one);
    }
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("messages", spoken);
    values.put("add_generation_prompt", true);
    values.put("bos_token", "<s>");
    values.put("eos_token", "</s>");
    return Template.parse(text).render(values, () -> LocalDateTime.of(2026, 1, 31, 12, 0));
  }

  @Test
  void printsTheDate() {
    assertEquals(
        "31 Jan 2026",
        Template.parse("{{ strftime_now('%d %b %Y') }}")
            .render(Map.of(), () -> LocalDateTime.of(2026, 1, 31, 12, 0)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for m in messages %}",
        "{{ messages",
        "{% endif %}",
        "{% unknown_tag %}",
        "{{ messages | no_such_filter }}",
        "{{ messages[0].content.no_such_method() }}",
        "{{ nothing.at.all }}",
        "{{ 1 + 'a' }}",
        "{{ 1 // 0 }}",
        "{{ messages[9].role }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ raise_exception('line one\nline two') }}",
      })
  void whatFailsIsOneLine(String template) {
    Tokenizer tokenizer = new OnlyTemplate(template);
    UserError e =
        assertThrows(
            UserError.class,
            () ->
                new ChatTemplate(tokenizer)
                    .render(List.of(new ChatTemplate.Message("user", "Hello"))));
    assertTrue(e.getMessage().startsWith("the chat template"), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  @Test
  void noTemplateIsSaid() {
    UserError e = assertThrows(UserError.class, () -> new ChatTemplate(new OnlyTemplate(null)));
    assertTrue(e.getMessage().contains("no chat template"), e.getMessage());
  }
}
