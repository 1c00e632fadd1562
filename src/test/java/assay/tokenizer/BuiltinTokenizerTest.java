package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.checkpoint.BuiltinModel;
import assay.checkpoint.GgufFile;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The vocabulary of the model that comes with Assay. */
class BuiltinTokenizerTest {
  @Test
  void decodingIsTheInverseOfEncodingOnAnyUtf8() {
    try (GgufFile file = GgufFile.open(BuiltinModel.file());
        Tokenizer t = GgufTokenizer.of(file)) {
      RandomTexts.check(t);
      assertEquals(1536, t.vocabulary().total());
      assertEquals(Set.of(1535), t.stopTokens());
      assertEquals(1535, t.endToken().orElseThrow());
      byte[] end = "<|endoftext|>".getBytes(java.nio.charset.StandardCharsets.UTF_8);
      assertEquals(1, t.encode(end, false, true).length);
      assertTrue(t.encode(end, false, false).length > 1, "text that quotes it ends nothing");
    }
  }
}
