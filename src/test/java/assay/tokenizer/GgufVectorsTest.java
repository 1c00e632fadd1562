package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.checkpoint.GgufFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The vectors that llama.cpp keeps beside its vocabularies: for every NAME.gguf in the folder that
 * has a NAME.gguf.inp (texts, each followed by a separator) and a NAME.gguf.out (a line of ids
 * each). The vocabularies are other people's and not part of this project.
 */
class GgufVectorsTest {
  private static final String SEPARATOR = "\n__ggml_vocab_test__\n";

  static Path folder() {
    String set = System.getProperty("assay.golden.vocab", System.getenv("ASSAY_GOLDEN_VOCAB"));
    Path folder = Path.of(set == null ? "../shared/golden/vocab" : set);
    // Other people's data: no build server can install it, so its absence is a skip everywhere.
    Assumptions.assumeTrue(Files.isDirectory(folder), "needs the vocabularies of " + folder);
    return folder;
  }

  @TestFactory
  Stream<DynamicTest> vectors() throws IOException {
    List<Path> vocabularies;
    try (Stream<Path> files = Files.list(folder())) {
      vocabularies =
          files
              .filter(p -> p.toString().endsWith(".gguf"))
              .filter(p -> Files.exists(Path.of(p + ".out")))
              .sorted()
              .toList();
    }
    assertTrue(!vocabularies.isEmpty());
    return vocabularies.stream()
        .map(p -> DynamicTest.dynamicTest(p.getFileName().toString(), () -> check(p)));
  }

  private static void check(Path vocabulary) throws IOException {
    List<byte[]> texts = split(Files.readAllBytes(Path.of(vocabulary + ".inp")));
    List<String> lines = Files.readString(Path.of(vocabulary + ".out")).lines().toList();
    assertEquals(lines.size(), texts.size());
    try (GgufFile file = GgufFile.open(vocabulary);
        GgufTokenizer tokenizer = GgufTokenizer.of(file)) {
      for (int i = 0; i < texts.size(); i++) {
        int[] expected =
            Stream.of(lines.get(i).trim().split(" "))
                .filter(s -> !s.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        byte[] text = texts.get(i);
        String shown = new String(text, StandardCharsets.UTF_8);
        int[] ids = tokenizer.encode(text, false, false);
        assertArrayEquals(expected, ids, () -> "'" + shown + "' " + Arrays.toString(ids));
        assertArrayEquals(
            text, tokenizer.decode(ids, true), () -> "decoded again: '" + shown + "'");
      }
    }
  }

  private static List<byte[]> split(byte[] inputs) {
    // Latin-1 keeps every byte, so that the split cannot change the texts.
    String all = new String(inputs, StandardCharsets.ISO_8859_1);
    List<byte[]> texts = new ArrayList<>();
    int at = 0;
    for (int end = all.indexOf(SEPARATOR); end >= 0; end = all.indexOf(SEPARATOR, at)) {
      texts.add(all.substring(at, end).getBytes(StandardCharsets.ISO_8859_1));
      at = end + SEPARATOR.length();
    }
    if (at < all.length()) { // some files leave out the last separator
      texts.add(all.substring(at).getBytes(StandardCharsets.ISO_8859_1));
    }
    return texts;
  }
}
