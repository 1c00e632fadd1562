package assay.tokenizer;

import assay.checkpoint.GgufFile;
import java.io.ByteArrayOutputStream;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer inside a GGUF file: {@code llama} is SentencePiece's BPE by score, {@code gpt2} is
 * byte-level BPE, {@code gemma4} BPE over SentencePiece's alphabet.
 */
public final class GgufTokenizer implements Tokenizer {
  /** Texts that end a turn or a text in models whose file does not name them so. */
  static final Set<String> STOP_TEXTS =
      Set.of(
          "<|eot_id|>",
          "<|im_end|>",
          "<|end|>",
          "<|return|>",
          "<|call|>",
          "<end_of_turn>",
          "<|endoftext|>",
          "<|eom_id|>",
          "<EOT>",
          "[EOT]",
          "<|end_of_text|>",
          "<end_of_utterance>",
          "<eos>",
          "<turn|>",
          "<｜end▁of▁sentence｜>");

  private final Vocabulary vocabulary;
  private final String kind;
  private final Encoder encoder;
  private final SpecialTokens special;
  private final boolean spaceMarks;
  private final boolean byteLevel;
  private final boolean spacePrefix;
  private final OptionalInt begin;
  private final OptionalInt end;
  private final boolean addBegin;
  private final boolean addEnd;
  private final Set<Integer> stops = new TreeSet<>();
  private final @Nullable String template;

  private GgufTokenizer(GgufFile file, Vocabulary v) {
    this.vocabulary = v;
    String model = v.model();
    markStops();
    switch (model) {
      case "llama" -> {
        kind = "SentencePiece BPE by score";
        spacePrefix = v.flag("add_space_prefix", true);
        byteLevel = false;
        spaceMarks = true;
        encoder = new ScoreEncoder(v, spacePrefix);
        addBegin = v.flag("add_bos_token", true);
      }
      case "gpt2", "gemma4" -> {
        PreTokenizer pre = pre(file, model.equals("gpt2") ? v.pre() : model);
        kind = (pre.byteLevel() ? "byte-level BPE (" : "BPE (") + pre.kind() + ")";
        spacePrefix = false;
        byteLevel = pre.byteLevel();
        spaceMarks = !pre.byteLevel();
        encoder = new BytePairEncoder(v, pre);
        addBegin = v.flag("add_bos_token", pre.addBegin());
      }
      default ->
          throw v.error(
              "unknown kind of tokenizer '%s' (tokenizer.ggml.model): expected llama or gpt2"
                  .formatted(model));
    }
    boolean llama = model.equals("llama");
    begin = v.token("bos").isPresent() ? v.token("bos") : fallback(llama, 1);
    end = v.token("eos").isPresent() ? v.token("eos") : fallback(llama, 2);
    addEnd = v.flag("add_eos_token", false);
    end.ifPresent(stops::add);
    v.token("eot").ifPresent(stops::add);
    v.token("eom").ifPresent(stops::add);
    template = file.has("tokenizer.chat_template") ? file.string("tokenizer.chat_template") : null;
    special = new SpecialTokens(v);
  }

  private OptionalInt fallback(boolean llama, int id) {
    return llama && id < vocabulary.size() ? OptionalInt.of(id) : OptionalInt.empty();
  }

  private static PreTokenizer pre(GgufFile file, String kind) {
    try {
      return PreTokenizers.of(kind);
    } catch (assay.model.UserError e) {
      throw new assay.model.UserError(file.path() + ": tokenizer.ggml.pre: " + e.getMessage());
    }
  }

  private void markStops() {
    for (int id = 0; id < vocabulary.size(); id++) {
      byte first = vocabulary.text(id)[0];
      if ((first == '<' || first == '[') && STOP_TEXTS.contains(vocabulary.string(id))) {
        stops.add(id);
        // Some files call them normal; then a text that quotes one would end the turn.
        vocabulary.setType(id, TokenType.CONTROL);
      }
    }
  }

  /** Whether a file holds a vocabulary at all. */
  public static boolean isIn(GgufFile file) {
    return file.has("tokenizer.ggml.tokens");
  }

  /**
   * The tokenizer of a file. The file may be closed afterwards.
   *
   * @throws assay.model.UserError when it has none, one of an unknown kind, or a broken one
   */
  public static GgufTokenizer of(GgufFile file) {
    return new GgufTokenizer(file, Vocabulary.read(file));
  }

  @Override
  public String kind() {
    return kind;
  }

  @Override
  public VocabularyCount vocabulary() {
    int ordinary = 0;
    int unused = 0;
    for (int id = 0; id < vocabulary.size(); id++) {
      switch (vocabulary.type(id)) {
        case UNUSED, UNDEFINED -> unused++;
        case NORMAL, BYTE -> ordinary++;
        default -> {}
      }
    }
    return new VocabularyCount(ordinary, vocabulary.size() - ordinary - unused, unused);
  }

  @Override
  public boolean has(int id) {
    return id >= 0 && id < vocabulary.size();
  }

  @Override
  public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
    IntList out = new IntList();
    if (addSpecial && addBegin && begin.isPresent()) {
      out.add(begin.getAsInt());
    }
    boolean first = true;
    for (SpecialTokens.Fragment f : special.split(text, parseSpecial)) {
      if (f.isToken()) {
        out.add(f.token());
      } else {
        encoder.encode(text, f.from(), f.to(), first, out);
      }
      first = f.isToken();
    }
    if (addSpecial && addEnd && end.isPresent()) {
      out.add(end.getAsInt());
    }
    return out.toArray();
  }

  @Override
  public byte[] decode(int[] ids, boolean withSpecial) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    boolean first = true;
    for (int id : ids) {
      if (!has(id)) {
        throw new assay.model.UserError(
            "token id %d: the vocabulary has the ids 0 to %d".formatted(id, vocabulary.size() - 1));
      }
      TokenType type = vocabulary.type(id);
      if (type.isSpecial()) {
        if (withSpecial || !type.isHidden()) {
          out.writeBytes(vocabulary.text(id));
        }
        first = true;
      } else {
        byte[] piece = piece(id, type);
        // The space that encoding puts in front of every stretch of text.
        boolean drop = first && spacePrefix && piece.length > 0 && piece[0] == ' ';
        out.write(piece, drop ? 1 : 0, piece.length - (drop ? 1 : 0));
        first = false;
      }
    }
    return out.toByteArray();
  }

  private byte[] piece(int id, TokenType type) {
    String text = vocabulary.string(id);
    if (type == TokenType.BYTE) {
      return text.matches("<0x[0-9A-Fa-f]{2}>")
          ? new byte[] {(byte) Integer.parseInt(text.substring(3, 5), 16)}
          : vocabulary.text(id);
    }
    if (byteLevel) {
      byte[] bytes = ByteLevel.decode(text);
      return bytes == null ? vocabulary.text(id) : bytes;
    }
    return spaceMarks && text.indexOf(SpaceMark.CHAR) >= 0
        ? text.replace(SpaceMark.CHAR, ' ').getBytes(java.nio.charset.StandardCharsets.UTF_8)
        : vocabulary.text(id);
  }

  @Override
  public OptionalInt beginToken() {
    return begin;
  }

  @Override
  public OptionalInt endToken() {
    return end;
  }

  @Override
  public Set<Integer> stopTokens() {
    return java.util.Collections.unmodifiableSet(stops);
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.ofNullable(template);
  }
}
