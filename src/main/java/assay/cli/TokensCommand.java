package assay.cli;

import assay.model.UserError;
import assay.tokenizer.Tokenizer;
import assay.tokenizer.VocabularyCount;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay tokens}: text to ids and back. */
@Command(
    name = "tokens",
    mixinStandardHelpOptions = true,
    description = "Token ids of texts, and how many characters and bytes a token is.",
    footer = {
      "",
      "Example:",
      "  assay tokens model.gguf --text 'Hello world' --text-file book.txt",
      "  assay tokens model.gguf --decode 15496,995"
    })
final class TokensCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..1",
      description = "A folder with tokenizer.json, a tokenizer.json, or a GGUF file.")
  private @Nullable String model;

  @Option(names = "--text", paramLabel = "TEXT", description = "A text; may be repeated.")
  private List<String> texts = new ArrayList<>();

  @Option(
      names = "--text-file",
      paramLabel = "FILE",
      arity = "1..*",
      description = "Files whose bytes are taken as they are; - is standard input.")
  private List<String> files = new ArrayList<>();

  @Option(
      names = "--decode",
      paramLabel = "IDS",
      description = "Ids, separated by commas or spaces: prints their text.")
  private @Nullable String decode;

  @Option(
      names = "--special",
      description =
          "Add the begin and end tokens that the tokenizer asks for, and turn the text of control"
              + " tokens into those tokens.")
  private boolean special;

  @Override
  public void run() {
    if (model == null && files.size() > 1) {
      // --text-file FILE MODEL: the option has taken the last word too.
      model = files.removeLast();
    }
    if (model == null) {
      throw new UserError("no MODEL given: expected a folder, a tokenizer.json or a GGUF file");
    }
    if (texts.isEmpty() && files.isEmpty() && decode == null) {
      throw new UserError("nothing to do: expected --text, --text-file or --decode");
    }
    try (Tokenizer tokenizer = ModelArgument.tokenizerOf(model)) {
      if (decode != null) {
        printDecoded(tokenizer, TokenIds.parse("--decode", decode));
      } else {
        printEncoded(tokenizer);
      }
    }
    common.out().flush();
  }

  private void printDecoded(Tokenizer tokenizer, int[] ids) {
    String text = new String(tokenizer.decode(ids, true), StandardCharsets.UTF_8);
    if (common.json) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("ids", ids);
      one.put("text", text);
      common.printJson(Map.of("texts", List.of(one)));
    } else {
      common.out().println(text);
    }
  }

  private void printEncoded(Tokenizer tokenizer) {
    List<byte[]> inputs = new ArrayList<>();
    texts.forEach(t -> inputs.add(t.getBytes(StandardCharsets.UTF_8)));
    files.forEach(f -> inputs.add(read(f)));
    List<Map<String, Object>> rows = new ArrayList<>();
    for (byte[] input : inputs) {
      int[] ids = tokenizer.encode(input, special, special);
      String text = new String(input, StandardCharsets.UTF_8);
      long characters = text.codePointCount(0, text.length());
      if (common.json) {
        rows.add(row(ids, characters, input.length));
      } else {
        print(common.out(), ids, characters, input.length);
      }
    }
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("tokenizer", tokenizer.kind());
      document.put("vocabulary", vocabulary(tokenizer.vocabulary()));
      document.put("texts", rows);
      common.printJson(document);
    }
  }

  /** Entries of a vocabulary, as JSON has them. */
  static Map<String, Object> vocabulary(VocabularyCount count) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("entries", count.total());
    out.put("ordinary", count.ordinary());
    out.put("special", count.special());
    out.put("unused", count.unused());
    return out;
  }

  private static Map<String, Object> row(int[] ids, long characters, long bytes) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("ids", ids);
    out.put("tokens", ids.length);
    out.put("characters", characters);
    out.put("bytes", bytes);
    if (ids.length > 0) {
      out.put("characters_per_token", (double) characters / ids.length);
      out.put("bytes_per_token", (double) bytes / ids.length);
    }
    return out;
  }

  private static void print(PrintWriter out, int[] ids, long characters, long bytes) {
    out.println(IntStream.of(ids).mapToObj(Integer::toString).collect(Collectors.joining(" ")));
    if (ids.length > 0) {
      out.printf(
          "  %d tokens, %d characters, %d bytes: %.3f characters and %.3f bytes a token%n",
          ids.length,
          characters,
          bytes,
          (double) characters / ids.length,
          (double) bytes / ids.length);
    }
  }

  static byte[] read(String file) {
    try {
      return file.equals("-") ? System.in.readAllBytes() : Files.readAllBytes(Path.of(file));
    } catch (NoSuchFileException e) {
      throw new UserError(file + ": no such file");
    } catch (IOException | OutOfMemoryError e) {
      throw new UserError(file + ": cannot be read as a text: " + e.getMessage());
    }
  }
}
