package assay.backend.cpu;

import assay.backend.AttentionSpec;
import assay.backend.StepState;
import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.PanelLayout;
import assay.backend.cpu.kernel.RawMemory;
import assay.backend.cpu.kernel.RowKernels;
import assay.model.Activation;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NormKind;
import assay.tensor.HostBuffer;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The operations on rows: each takes its arguments apart into addresses, then runs. Shapes are
 * checked by the caller.
 */
final class RowTasks {
  private RowTasks() {}

  /** x += delta if there is one, then out = norm of x. */
  static final class Norm extends RowTask {
    private final RowKernels kernels;
    private NormKind kind = NormKind.RMS;
    private long delta;
    private long deltaRowBytes;
    private long x;
    private long xRowBytes;
    private long out;
    private long outRowBytes;
    private long gain;
    private long bias;
    private float eps;
    private int width;

    Norm(RowKernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(
        NormKind kind,
        @Nullable Tensor delta,
        Tensor x,
        Tensor gain,
        @Nullable Tensor bias,
        float eps,
        Tensor out) {
      this.kind = kind;
      this.delta = delta == null ? 0 : Addresses.floats(delta);
      deltaRowBytes = delta == null ? 0 : delta.rowStrideBytes();
      this.x = Addresses.floats(x);
      xRowBytes = x.rowStrideBytes();
      this.out = Addresses.floats(out);
      outRowBytes = out.rowStrideBytes();
      this.gain = Addresses.floats(gain);
      this.bias = bias == null ? 0 : Addresses.floats(bias);
      this.eps = eps;
      width = x.columns();
      each(x.rows(), width);
    }

    @Override
    void row(int r, int worker) {
      long from = x + r * xRowBytes;
      long to = out + r * outRowBytes;
      if (delta != 0) {
        kernels.add(from, delta + r * deltaRowBytes, width);
      }
      kernels.norm(kind, from, gain, eps, width, to);
      if (bias != 0) {
        kernels.add(to, bias, width);
      }
    }
  }

  /** RMS norm of each head, in place. */
  static final class HeadNorm extends RowTask {
    private final RowKernels kernels;
    private long x;
    private long xRowBytes;
    private long gain;
    private float eps;
    private int width;
    private int headDim;

    HeadNorm(RowKernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(Tensor x, Tensor gain, float eps) {
      this.x = Addresses.floats(x);
      xRowBytes = x.rowStrideBytes();
      this.gain = Addresses.floats(gain);
      this.eps = eps;
      width = x.columns();
      headDim = gain.columns();
      each(x.rows(), width);
    }

    @Override
    void row(int r, int worker) {
      for (int i = 0; i < width; i += headDim) {
        long head = x + r * xRowBytes + 4L * i;
        kernels.norm(NormKind.RMS, head, gain, eps, headDim, head);
      }
    }
  }

  /** x += delta; one row of delta for all where its rows are 0 bytes apart. */
  static final class Add extends RowTask {
    private final RowKernels kernels;
    private long x;
    private long xRowBytes;
    private long delta;
    private long deltaRowBytes;
    private int width;

    Add(RowKernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(Tensor x, Tensor delta, long deltaRowBytes) {
      this.x = Addresses.floats(x);
      xRowBytes = x.rowStrideBytes();
      this.delta = Addresses.floats(delta);
      this.deltaRowBytes = deltaRowBytes;
      width = x.columns();
      each(x.rows(), width);
    }

    @Override
    void row(int r, int worker) {
      kernels.add(x + r * xRowBytes, delta + r * deltaRowBytes, width);
    }
  }

  /** Rotary embedding, in place. */
  static final class Rope extends RowTask {
    private final RowKernels kernels;
    private long x;
    private long xRowBytes;
    private long table;
    private long tableRowBytes;
    private int width;
    private int headDim;
    private @Nullable StepState state;

    Rope(RowKernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(Tensor x, int headDim, Tensor table, StepState state) {
      this.x = Addresses.floats(x);
      xRowBytes = x.rowStrideBytes();
      this.table = Addresses.floats(table);
      tableRowBytes = table.rowStrideBytes();
      width = x.columns();
      this.headDim = headDim;
      this.state = state;
      Addresses.requirePositions("rotary table", table, state, x.rows());
      each(x.rows(), width);
    }

    @Override
    void row(int r, int worker) {
      if (state != null) {
        long angles = table + Addresses.position(state, r, rows()) * tableRowBytes;
        kernels.rope(x + r * xRowBytes, width / headDim, headDim, angles);
      }
    }
  }

  /** The MLP's activation. */
  static final class Activate extends RowTask {
    private final RowKernels kernels;
    private Activation activation = Activation.SILU;
    private boolean gated;
    private long x;
    private long xRowBytes;
    private long out;
    private long outRowBytes;
    private int width;

    Activate(RowKernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(Activation activation, boolean gated, Tensor x, Tensor out) {
      this.activation = activation;
      this.gated = gated;
      this.x = Addresses.floats(x);
      xRowBytes = x.rowStrideBytes();
      this.out = Addresses.floats(out);
      outRowBytes = out.rowStrideBytes();
      width = out.columns();
      each(x.rows(), width);
    }

    @Override
    void row(int r, int worker) {
      long from = x + r * xRowBytes;
      long up = gated ? from + 4L * width : 0;
      kernels.activate(activation, from, up, width, out + r * outRowBytes);
    }
  }

  /** New keys and values to the cache. */
  static final class StoreKv extends RowTask {
    private final Kernels kernels;
    private @Nullable AttentionSpec spec;
    private DType type = DType.F32;
    private int slot;
    private long k;
    private long kRowBytes;
    private long v;
    private long vRowBytes;
    private long kCache;
    private long vCache;

    StoreKv(Kernels kernels, Workers workers) {
      super(workers);
      this.kernels = kernels;
    }

    void run(
        AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
      this.spec = spec;
      type = kCache.type();
      slot = Addresses.slot(state);
      if (slot < 0 || slot > spec.maxSeqLen() - spec.tokensPerSequence()) {
        throw new IllegalArgumentException(
            "slot %d + %d tokens of a cache of %d"
                .formatted(slot, spec.tokensPerSequence(), spec.maxSeqLen()));
      }
      this.k = Addresses.floats(k);
      kRowBytes = k.rowStrideBytes();
      this.v = Addresses.floats(v);
      vRowBytes = v.rowStrideBytes();
      this.kCache = Addresses.of(kCache);
      this.vCache = Addresses.of(vCache);
      each(spec.rows(), k.columns());
    }

    @Override
    void row(int r, int worker) {
      AttentionSpec s = spec;
      if (s == null) {
        return;
      }
      int d = s.headDim();
      int sequence = r / s.tokensPerSequence();
      for (int head = 0; head < s.nKvHeads(); head++) {
        long row = s.cacheRow(sequence, head, slot + r % s.tokensPerSequence());
        long at = row * type.rowBytes(d);
        long element = 4L * head * d;
        Conversions.store(kernels, type, k + r * kRowBytes + element, kCache + at, d);
        Conversions.store(kernels, type, v + r * vRowBytes + element, vCache + at, d);
      }
    }
  }

  /** Rows of the embedding table, positions' rows added. */
  static final class Embed extends RowTask {
    private final float[][] decoded;
    private @Nullable Tensor table;
    private @Nullable Tensor positions;
    private @Nullable StepState state;
    private long tokens;
    private long out;
    private long outRowBytes;

    Embed(Workers workers) {
      super(workers);
      decoded = new float[workers.count()][];
    }

    void run(Tensor tokens, Tensor table, @Nullable Tensor positions, StepState state, Tensor out) {
      this.table = table;
      this.positions = positions;
      this.state = state;
      this.tokens = Addresses.of(tokens);
      this.out = Addresses.floats(out);
      outRowBytes = out.rowStrideBytes();
      if (positions != null) {
        Addresses.requirePositions("position table", positions, state, out.rows());
      }
      for (int i = 0; i < decoded.length; i++) {
        if (decoded[i] == null || decoded[i].length < table.columns()) {
          decoded[i] = new float[table.columns()];
        }
      }
      each(out.rows(), table.columns());
    }

    @Override
    void row(int r, int worker) {
      Tensor t = table;
      if (t == null) {
        return;
      }
      int id = RawMemory.getInt(tokens + 4L * r);
      long to = out + r * outRowBytes;
      decode(t, id, decoded[worker]);
      for (int i = 0; i < t.columns(); i++) {
        RawMemory.setFloat(to + 4L * i, decoded[worker][i]);
      }
      if (positions != null && state != null) {
        decode(positions, Addresses.position(state, r, rows()), decoded[worker]);
        for (int i = 0; i < t.columns(); i++) {
          long at = to + 4L * i;
          RawMemory.setFloat(at, RawMemory.getFloat(at) + decoded[worker][i]);
        }
      }
    }

    private static void decode(Tensor t, int row, float[] to) {
      if (row < 0 || row >= t.rows()) {
        java.util.Arrays.fill(to, 0, t.columns(), Float.NaN);
      } else if (t.layout() == Tensor.Layout.PACKED) {
        PanelLayout.decodeRow(t.type(), t.rows(), t.columns(), Addresses.of(t), row, to);
      } else {
        long at = t.offsetBytes() + row * t.rowStrideBytes();
        BlockFormat.decodeRow(t.type(), HostBuffer.of(t), at, t.columns(), to, 0);
        for (int i = 0; t.scale() != 1 && i < t.columns(); i++) {
          to[i] *= t.scale();
        }
      }
    }
  }

  /** Rows of a packed weight matrix in or out. */
  static final class Transfer extends RowTask {
    private @Nullable Tensor weight;
    private int firstRow;
    private long host;
    private boolean write;

    Transfer(Workers workers) {
      super(workers);
    }

    void run(Tensor weight, int firstRow, int count, long host, boolean write) {
      this.weight = weight;
      this.firstRow = firstRow;
      this.host = host;
      this.write = write;
      each(count, weight.columns());
    }

    @Override
    void row(int r, int worker) {
      Tensor t = weight;
      if (t == null) {
        return;
      }
      long at = host + r * t.type().rowBytes(t.columns());
      if (write) {
        PanelLayout.writeRow(t.type(), t.rows(), t.columns(), Addresses.of(t), firstRow + r, at);
      } else {
        PanelLayout.readRow(t.type(), t.rows(), t.columns(), Addresses.of(t), firstRow + r, at);
      }
    }
  }
}
