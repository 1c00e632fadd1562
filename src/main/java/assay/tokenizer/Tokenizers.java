package assay.tokenizer;

import assay.model.UserError;
import java.nio.file.Path;

/** Opens tokenizer files. */
public final class Tokenizers {
  private Tokenizers() {}

  /**
   * The tokenizer of a tokenizer.json, with the files beside it.
   *
   * @throws UserError when the file cannot be used, or the library that runs it is not here
   */
  public static Tokenizer json(Path file) {
    TokenizerFiles files = TokenizerFiles.read(file);
    try {
      return JsonTokenizer.open(file, files);
    } catch (LinkageError e) {
      // A missing jar, or a native library that does not load here.
      throw new UserError(
          "%s needs the tokenizer library (ai.djl.huggingface:tokenizers, with its native code for %s %s), which is not here: %s; token ids (--ids) and the vocabularies of GGUF files work without it"
              .formatted(
                  file,
                  System.getProperty("os.name"),
                  System.getProperty("os.arch"),
                  e.getMessage()));
    }
  }
}
