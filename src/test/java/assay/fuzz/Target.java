package assay.fuzz;

import assay.checkpoint.GgufExport;
import assay.checkpoint.GgufFile;
import assay.checkpoint.GgufMetadata;
import assay.checkpoint.GgufModel;
import assay.checkpoint.HuggingFaceConfig;
import assay.checkpoint.HuggingFaceExport;
import assay.checkpoint.LoraAdapter;
import assay.checkpoint.RandomWeights;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsModel;
import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import assay.testing.LoraFiles;
import assay.tokenizer.ChatTemplate;
import assay.tokenizer.GgufTokenizer;
import assay.tokenizer.OnlyTemplate;
import assay.tokenizer.Tokenizer;
import assay.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What is fuzzed: whole files to begin with, and how a file is read to its end. */
enum Target {
  SAFETENSORS("model.safetensors", false) {
    @Override
    List<byte[]> seeds() throws IOException {
      Path folder = Files.createTempDirectory("assay-fuzz");
      try {
        List<byte[]> out = new ArrayList<>();
        for (DType type : List.of(DType.F32, DType.BF16)) {
          try (RandomWeights w = new RandomWeights(SMALL, 1)) {
            new HuggingFaceExport(w, type).write(folder, done -> {});
          }
          out.add(Files.readAllBytes(folder.resolve("model.safetensors")));
        }
        return out;
      } finally {
        delete(folder);
      }
    }

    @Override
    void prepare(Path folder) {
      try (RandomWeights w = new RandomWeights(SMALL, 1)) {
        new HuggingFaceExport(w, DType.F32).write(folder, done -> {});
      }
    }

    @Override
    void read(Path folder) {
      try (SafetensorsFile f = SafetensorsFile.open(folder.resolve(fileName()))) {
        f.entries().values().forEach(e -> touch(e.data()));
      }
      try (SafetensorsModel m = SafetensorsModel.open(folder)) {
        readAll(m);
      }
    }
  },

  GGUF("model.gguf", false) {
    @Override
    List<byte[]> seeds() throws IOException {
      List<byte[]> out = new ArrayList<>();
      for (String kind : List.of("llama", "gpt2")) {
        for (DType type : List.of(DType.F32, DType.Q8_0)) {
          Path file = Files.createTempFile("assay-fuzz", ".gguf");
          try (RandomWeights w = new RandomWeights(SMALL, 1)) {
            GgufExport export = new GgufExport(w, type);
            export.write(file, vocabulary(export.metadata(), kind), done -> {});
            out.add(Files.readAllBytes(file));
          } finally {
            Files.delete(file);
          }
        }
      }
      return out;
    }

    private static GgufMetadata vocabulary(GgufMetadata m, String kind) {
      byte[][] tokens = new byte[SMALL.vocabSize()][];
      int[] types = new int[tokens.length];
      for (int i = 0; i < tokens.length; i++) {
        tokens[i] = String.valueOf((char) ('a' + i)).getBytes(StandardCharsets.UTF_8);
        types[i] = 1;
      }
      byte[][] special = {
        "<unk>".getBytes(StandardCharsets.UTF_8), "<s>".getBytes(StandardCharsets.UTF_8)
      };
      tokens[0] = special[0];
      tokens[1] = special[1];
      types[0] = 2;
      types[1] = 3;
      tokens[2] = "<0x41>".getBytes(StandardCharsets.UTF_8);
      types[2] = 6;
      tokens[3] = "cd".getBytes(StandardCharsets.UTF_8);
      m.string("tokenizer.ggml.model", kind).strings("tokenizer.ggml.tokens", tokens);
      m.floats("tokenizer.ggml.scores", new float[tokens.length]);
      m.ints("tokenizer.ggml.token_type", types);
      m.strings("tokenizer.ggml.merges", new byte[][] {"c d".getBytes(StandardCharsets.UTF_8)});
      m.string("tokenizer.ggml.pre", "gpt-2").uint32("tokenizer.ggml.bos_token_id", 1);
      m.flag("tokenizer.ggml.add_bos_token", true);
      m.string("tokenizer.chat_template", "{{ messages[0].content }}");
      return m;
    }

    @Override
    void read(Path folder) {
      Path file = folder.resolve(fileName());
      try (GgufFile f = GgufFile.open(file)) {
        f.entries().values().forEach(e -> touch(e.data()));
        if (GgufTokenizer.isIn(f)) {
          use(GgufTokenizer.of(f));
        }
      }
      try (GgufModel m = GgufModel.open(file)) {
        readAll(m);
      }
    }
  },

  TOKENIZER_JSON("tokenizer.json", true) {
    @Override
    List<byte[]> seeds() throws IOException {
      List<byte[]> out = new ArrayList<>();
      for (String kind : List.of("byte-bpe", "sp-bpe", "unigram", "wordpiece")) {
        out.add(Files.readAllBytes(Path.of("src/test/resources/tokenizers", kind, fileName())));
      }
      return out;
    }

    @Override
    void read(Path folder) {
      try (Tokenizer t = Tokenizers.json(folder.resolve(fileName()))) {
        use(t);
      }
    }
  },

  CONFIG("config.json", true) {
    @Override
    List<byte[]> seeds() throws IOException {
      List<byte[]> out = new ArrayList<>();
      for (String name : List.of("llama", "llama3-rope", "gpt2", "mistral", "qwen2")) {
        out.add(Files.readAllBytes(Path.of("src/test/resources/golden", name, fileName())));
      }
      return out;
    }

    @Override
    void read(Path folder) {
      ModelConfig c = HuggingFaceConfig.read(folder.resolve(fileName()), "fuzzed");
      c.parameters();
      WeightLayout.of(c).forEach(t -> t.storedBytes(assay.model.Precision.INT4));
    }
  },

  ADAPTER_CONFIG("adapter_config.json", true) {
    @Override
    List<byte[]> seeds() throws IOException {
      return List.of(
          bytes(
              LoraFiles.config(
                  "\"r\":2,\"lora_alpha\":4,\"target_modules\":[\"q_proj\"],\"use_rslora\":true")),
          bytes(
              LoraFiles.config(
                  "\"r\":2,\"lora_alpha\":4,\"target_modules\":\".*(q_proj)\",\"rank_pattern\":{\"q.*\":2},\"layers_to_transform\":[0]")));
    }

    @Override
    void prepare(Path folder) {
      adapter(folder);
    }

    @Override
    void read(Path folder) {
      readAdapter(folder);
    }
  },

  ADAPTER("adapter_model.safetensors", false) {
    @Override
    List<byte[]> seeds() throws IOException {
      Path folder = Files.createTempDirectory("assay-fuzz");
      try {
        adapter(folder);
        return List.of(Files.readAllBytes(folder.resolve(fileName())));
      } finally {
        delete(folder);
      }
    }

    @Override
    void prepare(Path folder) {
      adapter(folder);
    }

    @Override
    void read(Path folder) {
      readAdapter(folder);
    }
  },

  CHAT_TEMPLATE("chat_template.jinja", true) {
    @Override
    List<byte[]> seeds() {
      return List.of(
          bytes(
              "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content | trim }}"
                  + "{% if loop.last and add_generation_prompt %}{{- '!' * 3 -}}{% endif %}"
                  + "{% endfor %}"),
          bytes(
              "{%- set ns = namespace(a=0) -%}{%- macro f(x, y=2) %}{{ x ~ y }}{% endmacro -%}{%"
                  + " for i in range(3) %}{% set ns.a = ns.a + i %}{{ f(i) }}{% endfor %}{{"
                  + " messages | map(attribute='role') | join(',') | upper }}{{ bos_token if ns.a >"
                  + " 2 else raise_exception('no') }}{{ messages[::-1][0]['content'][1:] }}"),
          bytes(
              "{{ {'a': [1, 2.5, none]} | tojson(indent=2) }}{{ 'x'.replace('x', 'yy').split('y') |"
                  + " length }}"));
    }

    @Override
    void read(Path folder) throws IOException {
      String text = Files.readString(folder.resolve(fileName()), StandardCharsets.ISO_8859_1);
      new ChatTemplate(new OnlyTemplate(text))
          .render(
              List.of(
                  new ChatTemplate.Message("system", "Be short."),
                  new ChatTemplate.Message("user", "Hello {{ x }}")));
    }
  };

  private static final ModelConfig SMALL =
      ModelConfig.builder("small", "llama").size(1, 32, 64).heads(2, 1, 16).tokens(17, 32).build();

  private final String fileName;
  private final boolean text;

  Target(String fileName, boolean text) {
    this.fileName = fileName;
    this.text = text;
  }

  abstract List<byte[]> seeds() throws IOException;

  /** Reads the file in the folder as the program would. */
  abstract void read(Path folder) throws IOException;

  /** Writes what stands beside the file. */
  void prepare(Path folder) {}

  String fileName() {
    return fileName;
  }

  boolean isText() {
    return text;
  }

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  private static void delete(Path folder) throws IOException {
    try (var files = Files.list(folder)) {
      for (Path f : files.toList()) {
        Files.delete(f);
      }
    }
    Files.delete(folder);
  }

  private static void adapter(Path folder) {
    new LoraFiles()
        .module("model.layers.0.self_attn.q_proj", 2, 32, 32)
        .write(
            folder, LoraFiles.config("\"r\":2,\"lora_alpha\":4,\"target_modules\":[\"q_proj\"]"));
  }

  private static void readAdapter(Path folder) {
    try (LoraAdapter a = LoraAdapter.open(folder, SMALL)) {
      for (AdapterShape.Module m : a.shape().modules()) {
        a.down(m);
        a.up(m);
      }
    }
  }

  private static void touch(MemorySegment data) {
    if (data.byteSize() > 0) {
      data.get(java.lang.foreign.ValueLayout.JAVA_BYTE, data.byteSize() - 1);
    }
  }

  /**
   * Every tensor, as a session would load it; what is announced too large stops at the first rows.
   */
  private static void readAll(WeightSource w) {
    for (TensorSpec t : WeightLayout.of(w.config())) {
      DType type = t.role().isMatrix() ? w.storedType(t) : DType.F32;
      int rows = (int) Math.min(t.rows(), 64);
      if (t.columns() > 1 << 20) {
        continue;
      }
      for (DType as : List.of(DType.F32, type)) {
        try (Arena arena = Arena.ofConfined()) {
          w.read(t, 0, rows, as, arena.allocate(as.bytes(rows, t.columns()), 64));
        }
      }
    }
  }

  private static void use(Tokenizer t) {
    byte[] text = bytes("a b<s>Once  upon 12 été 東京 😀 <unk>\u0000\n");
    for (boolean special : new boolean[] {false, true}) {
      int[] ids = t.encode(text, special, special);
      t.decode(ids, special);
    }
    t.stopTokens();
    t.chatTemplate();
    t.vocabulary();
  }
}
