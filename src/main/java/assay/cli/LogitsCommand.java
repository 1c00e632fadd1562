package assay.cli;

import assay.backend.Backend;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsWriter;
import assay.engine.PassObserver;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay logits}: what a model computes for given token ids. */
@Command(
    name = "logits",
    mixinStandardHelpOptions = true,
    description = "Logits at every position for given token ids.",
    footer = {
      "",
      "Example:",
      "  assay logits llama/ --ids 1,15,2 --ids 7,8,9 --precision fp32 --out logits.safetensors"
    })
final class LogitsCommand implements Runnable {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int ROWS_AT_ONCE = 64;

  @Mixin private CommonOptions common;

  @Mixin private AdapterOption adapter;

  @Parameters(paramLabel = "MODEL", description = ModelArgument.HELP)
  private String model = "";

  @Option(
      names = "--ids",
      paramLabel = "IDS",
      description = "Token ids such as 1,2,3; repeat for a batch of equal lengths.")
  private List<String> ids = new ArrayList<>();

  @Option(
      names = "--ids-file",
      paramLabel = "FILE",
      description = "A safetensors file with a tensor input_ids, [batch, sequence] or [sequence].")
  private @Nullable Path idsFile;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Writes a safetensors file: logits, F32 [batch, sequence, vocabulary].")
  private @Nullable Path out;

  @Option(
      names = "--precision",
      paramLabel = "PRECISION",
      description = "How weights are stored on the device; as in the file unless given.")
  private @Nullable String precision;

  @Option(
      names = "--layers",
      description =
          "Adds hidden_0, what enters the first block, and hidden_1 … after each block, F32 [batch,"
              + " sequence, hidden].")
  private boolean layers;

  @Option(names = "--seed", defaultValue = "1", description = "Seed of random weights.")
  private long seed = ModelArgument.DEFAULT_SEED;

  @Override
  public void run() {
    int[][] prompts = prompts();
    if (layers && out == null) {
      throw new UserError("--layers needs --out FILE");
    }
    try (WeightSource source = adapter.beside(ModelArgument.of(model).weights(seed));
        Backend backend = Devices.open(common)) {
      compute(source, backend, prompts);
    }
  }

  private int[][] prompts() {
    if (ids.isEmpty() == (idsFile == null)) {
      throw new UserError("expected either --ids or --ids-file");
    }
    int[][] prompts =
        idsFile == null
            ? ids.stream().map(text -> TokenIds.parse("--ids", text)).toArray(int[][]::new)
            : idsOf(idsFile);
    for (int[] p : prompts) {
      if (p.length == 0) {
        throw new UserError("--ids: no ids given: expected at least one");
      }
      if (p.length != prompts[0].length) {
        throw new UserError(
            "prompts of %d and %d ids: expected equal lengths"
                .formatted(prompts[0].length, p.length));
      }
    }
    return prompts;
  }

  private static int[][] idsOf(Path path) {
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      SafetensorsFile.Entry e = file.entries().get("input_ids");
      if (e == null || e.shape().isEmpty() || e.shape().size() > 2 || e.elements() == 0) {
        throw new UserError(path + ": no tensor input_ids of shape [batch, sequence]");
      }
      if (e.type() != DType.I64 && e.type() != DType.I32) {
        throw new UserError(path + ": input_ids is " + e.dtype() + ": expected I64 or I32");
      }
      int length = Math.toIntExact(e.shape().getLast());
      int[][] out = new int[Math.toIntExact(e.elements() / length)][length];
      for (int i = 0; i < out.length * length; i++) {
        long id =
            e.type() == DType.I64
                ? e.data().get(ValueLayout.JAVA_LONG_UNALIGNED, 8L * i)
                : e.data().get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i);
        if (id != (int) id) {
          throw new UserError(path + ": input_ids holds " + id + ": expected token ids");
        }
        out[i / length][i % length] = (int) id;
      }
      return out;
    }
  }

  private void compute(WeightSource source, Backend backend, int[][] prompts) {
    ModelConfig c = source.config();
    int length = prompts[0].length;
    WeightTypes types = WeightTypes.of(source, precision);
    SessionOptions options =
        types.apply(
            SessionOptions.of(types.precision(), prompts.length, length)
                .withLogitRows(Math.max(prompts.length, ROWS_AT_ONCE)));
    try (Session session = Session.open(backend, source, options);
        Sink sink = out == null ? null : new Sink(out, c, prompts.length, length)) {
      Remarks.nonFinite(common.err(), source);
      Collector collector = new Collector(session, sink, prompts.length, length);
      session.start(prompts);
      session.observePrefill(collector);
      if (sink != null) {
        sink.writer.finish();
      }
      report(c, types, collector, prompts);
    }
  }

  private void report(ModelConfig c, WeightTypes types, Collector collector, int[][] prompts) {
    int[] best = collector.best;
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("model", c.name());
      document.put("precision", types.precision().label());
      document.put("stored_types", types.asStored());
      document.put("batch", prompts.length);
      document.put("sequence", prompts[0].length);
      document.put("vocabulary", c.vocabSize());
      document.put("next_ids", best);
      document.put("out", out == null ? null : out.toString());
      common.printJson(document);
      return;
    }
    for (int b = 0; b < best.length; b++) {
      common.out().printf("prompt %d: most probable next id %d%n", b, best[b]);
    }
    if (out != null) {
      common
          .out()
          .printf(
              "%s: logits F32 [%d, %d, %d]%s%n",
              out,
              prompts.length,
              prompts[0].length,
              c.vocabSize(),
              layers ? ", hidden_0 to hidden_" + c.nLayers() : "");
    }
    common.out().flush();
  }

  /** Where tensors go. */
  private final class Sink implements AutoCloseable {
    private final SafetensorsWriter writer;

    Sink(Path path, ModelConfig c, int batch, int length) {
      SequencedMap<String, SafetensorsWriter.Announced> tensors = new LinkedHashMap<>();
      long b = batch;
      long t = length;
      tensors.put(
          "logits",
          new SafetensorsWriter.Announced(DType.F32, List.of(b, t, (long) c.vocabSize())));
      for (int l = 0; layers && l <= c.nLayers(); l++) {
        tensors.put(
            "hidden_" + l,
            new SafetensorsWriter.Announced(DType.F32, List.of(b, t, (long) c.hiddenSize())));
      }
      writer = new SafetensorsWriter(path, tensors, Map.of("format", "pt"));
    }

    boolean hasLayers() {
      return layers;
    }

    void writeRow(String tensor, long row, float[] values, int from, int count) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment bytes = arena.allocate(4L * count);
        for (int i = 0; i < count; i++) {
          bytes.set(FLOAT, 4L * i, values[from + i]);
        }
        writer.write(tensor, row * 4L * count, bytes);
      }
    }

    @Override
    public void close() {
      writer.close();
    }
  }

  /** Takes rows as they come, chunk after chunk, and puts them at their place. */
  private static final class Collector implements PassObserver {
    private final Session session;
    private final @Nullable Sink sink;
    private final int batch;
    private final int length;
    private final int[] best;
    private int chunkStart;
    private int chunkTokens;

    Collector(Session session, @Nullable Sink sink, int batch, int length) {
      this.session = session;
      this.sink = sink;
      this.batch = batch;
      this.length = length;
      this.best = new int[batch];
    }

    @Override
    public void residual(int layer, Tensor residual) {
      if (layer < 0) {
        chunkStart += chunkTokens;
        chunkTokens = residual.rows() / batch;
      }
      if (sink != null && sink.hasLayers()) {
        float[] values = session.readFloats(residual);
        for (int r = 0; r < residual.rows(); r++) {
          int width = residual.columns();
          sink.writeRow("hidden_" + (layer + 1), place(r), values, r * width, width);
        }
      }
    }

    @Override
    public void logits(int firstRow, Tensor normed, Tensor logits) {
      float[] values = session.readFloats(logits);
      int width = logits.columns();
      for (int r = 0; r < logits.rows(); r++) {
        long place = place(firstRow + r);
        if (place % length == length - 1) {
          best[(int) (place / length)] = largest(values, r * width, width);
        }
        if (sink != null) {
          sink.writeRow("logits", place, values, r * width, width);
        }
      }
    }

    /** The row of [batch, sequence] that a row of this chunk is. */
    private long place(int row) {
      return (long) (row / chunkTokens) * length + chunkStart + row % chunkTokens;
    }

    private static int largest(float[] values, int from, int count) {
      int best = 0;
      for (int i = 1; i < count; i++) {
        if (values[from + i] > values[from + best]) {
          best = i;
        }
      }
      return best;
    }
  }
}
