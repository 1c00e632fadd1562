package assay.tokenizer;

import assay.model.UserError;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The kinds of pre-tokenisation that {@code tokenizer.ggml.pre} names. The patterns are those of
 * the models' own tokenizer.json where llama.cpp quotes them, else the ones that llama.cpp applies
 * (src/llama-vocab.cpp); {@code \s}, {@code \p{L}} and {@code \p{N}} are Unicode classes.
 *
 * <p>Case-insensitive contractions are spelled out: with Unicode classes Java's {@code (?i)} would
 * also take U+017F for an s. Repeated groups are written as single character classes, since Java's
 * matcher takes a stack frame for each repetition of a group.
 */
final class PreTokenizers {
  private static final String CONTRACTION =
      "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
  private static final String SPACES = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String SYMBOLS_SPACES = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + SPACES;
  private static final String BEFORE = "[^\\r\\n\\p{L}\\p{N}]?";
  private static final String WORD = "|" + BEFORE + "\\p{L}+";

  private static final String GPT2 =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final String LLAMA3 = CONTRACTION + WORD + "|\\p{N}{1,3}" + SYMBOLS_SPACES;
  private static final String QWEN2 = CONTRACTION + WORD + "|\\p{N}" + SYMBOLS_SPACES;
  private static final String QWEN35 =
      CONTRACTION
          + "|"
          + BEFORE
          + "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
          + SPACES;

  private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String SLASHES_SPACES = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" + SPACES;
  private static final String TEKKEN =
      BEFORE
          + (UPPER + "*" + LOWER + "+|" + BEFORE + UPPER + "+" + LOWER + "*|\\p{N}")
          + SLASHES_SPACES;
  private static final String GPT4O =
      BEFORE
          + (UPPER + "*" + LOWER + "+" + CONTRACTION + "?|")
          + BEFORE
          + (UPPER + "+" + LOWER + "*" + CONTRACTION + "?|\\p{N}{1,3}")
          + SLASHES_SPACES;

  private static final String PUNCTUATED_WORDS =
      " ?[^(\\s|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+";
  private static final String ONE_NEWLINE = "[\\r\\n]";
  private static final String DIGITS = "\\p{N}+";
  private static final String THREE_ASCII_DIGITS = "[0-9][0-9][0-9]";
  private static final String CJK = "[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+";
  private static final String KANA = "[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+";
  private static final String DEEPSEEK3 =
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
          + "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
          + SPACES;
  private static final String DEEPSEEK_SYMBOLS =
      "\\s?[!-/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002]+";
  // The letters that have case, in the version of Unicode that the model's tokenizer was made with.
  private static final String DEEPSEEK_LETTERS =
      "\\s?[A-Za-z"
          + "\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293"
          + "\\u0295-\\u02AF\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386"
          + "\\u0388-\\u038A\\u038C\\u038E-\\u03A1\\u03A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F"
          + "\\u0531-\\u0556\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-\\u13FD\\u1C90-\\u1CBA"
          + "\\u1CBD-\\u1CBF\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15"
          + "\\u1F18-\\u1F1D\\u1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D"
          + "\\u1F5F-\\u1F7D\\u1F80-\\u1FB4\\u1FB6-\\u1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC"
          + "\\u1FD0-\\u1FD3\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC\\u1FF2-\\u1FF4\\u1FF6-\\u1FFC\\u2102"
          + "\\u2107\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128\\u212A-\\u212D"
          + "\\u212F-\\u2134\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184"
          + "\\u2C00-\\u2C7B\\u2C7E-\\u2CE4\\u2CEB-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D"
          + "\\uA680-\\uA69B\\uA722-\\uA76F\\uA771-\\uA787\\uA78B-\\uA78E\\uAB70-\\uABBF"
          + "\\uFB00-\\uFB06\\uFB13-\\uFB17\\uFF21-\\uFF3A\\uFF41-\\uFF5A\\x{10400}-\\x{1044F}"
          + "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"
          + "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"
          + "]+";

  private static final Map<String, PreTokenizer> ALL = new LinkedHashMap<>();

  static {
    plain("default", "[\\p{P}$+<=>^~|]+", GPT2, DIGITS, THREE_ASCII_DIGITS);
    plain(
        "gpt-2 phi-2 gigachat a.x-4.0 mellum mpt olmo jais trillion granite-docling exaone4"
            + " roberta-bpe jina-v1-en jina-v2-code jina-es jina-de jina-v2-es jina-v2-de"
            + " modern-bert",
        GPT2);
    plain("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", "\\p{N}", GPT2);
    plain("falcon", "[\\p{P}$+<=>^~|`]+", GPT2, THREE_ASCII_DIGITS);
    plain("qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2", QWEN2);
    plain("laguna", "[^\\n]+|\\n+", QWEN2);
    plain("qwen35", QWEN35);
    plain("dbrx smaug-bpe chatglm-bpe glm4", LLAMA3);
    wholeFirst(true, "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", LLAMA3);
    wholeFirst(true, "tekken", TEKKEN);
    plain("gpt-4o llama4 kanana2 talkie minimax-m2", GPT4O);
    wholeFirst(false, "minicpm5", "\\p{N}{1,3}", CONTRACTION + WORD + "|\\p{N}+" + SYMBOLS_SPACES);
    plain("deepseek-coder", ONE_NEWLINE, "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}");
    plain("deepseek-llm", ONE_NEWLINE, DEEPSEEK_LETTERS, DEEPSEEK_SYMBOLS, "\\s+\\z", CJK, DIGITS);
    plain("deepseek-v3 hunyuan-dense joyai-llm hy_v4", "\\p{N}{1,3}", KANA, DEEPSEEK3);
    plain("poro-chat bloom gpt3-finnish", PUNCTUATED_WORDS);
    plain("viking", PUNCTUATED_WORDS, "\\p{N}");
    plain(
        "bailingmoe bailingmoe2 llada-moe",
        CONTRACTION
            + WORD
            + "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+");
    plain("seed-coder", CONTRACTION + WORD + "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" + SPACES);
    // SentencePiece's way in BPE's clothes: no words, only lines.
    put(false, false, false, "gemma4", "[^\\n]+|\\n+");
  }

  private PreTokenizers() {}

  /**
   * The pre-tokenisation of that name.
   *
   * @throws UserError naming the kinds that are known
   */
  static PreTokenizer of(String kind) {
    PreTokenizer p = ALL.get(kind);
    if (p == null) {
      throw new UserError(
          "unknown kind of pre-tokenizer '%s': expected one of %s"
              .formatted(kind, String.join(", ", ALL.keySet())));
    }
    return p;
  }

  private static void plain(String kinds, String... patterns) {
    put(false, false, true, kinds, patterns);
  }

  /** Kinds that take a piece as one token where there is such a token. */
  private static void wholeFirst(boolean addBegin, String kinds, String... patterns) {
    put(true, addBegin, true, kinds, patterns);
  }

  private static void put(
      boolean ignoreMerges, boolean addBegin, boolean byteLevel, String kinds, String... regexes) {
    List<Pattern> patterns =
        Stream.of(regexes).map(r -> Pattern.compile(r, Pattern.UNICODE_CHARACTER_CLASS)).toList();
    for (String kind : kinds.split(" ")) {
      ALL.put(kind, new PreTokenizer(kind, patterns, ignoreMerges, addBegin, byteLevel));
    }
  }
}
