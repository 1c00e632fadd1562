package assay.backend.cpu;

import static assay.backend.cpu.kernel.RawMemory.getFloat;

import assay.backend.SamplingSpec;
import assay.backend.cpu.kernel.RowKernels;

/**
 * Chooses tokens (claim I5). Candidates come off a heap in falling order, the smaller id first
 * among equals, and only as many as the choice needs: k of them for top-k, the nucleus for top-p,
 * half of the probability on average otherwise. Weights are fp64, as in the definition.
 */
final class CpuSampler {
  /** e^−745 is the smallest fp64: what lies further below the maximum weighs nothing. */
  private static final double NEGLIGIBLE = -745;

  private final RowKernels rows;
  private long logits;
  private int[] heap = new int[0];
  private double[] cumulative = new double[0];
  private int[] order = new int[0];
  private int size;

  CpuSampler(RowKernels rows) {
    this.rows = rows;
  }

  /** Room for this vocabulary, so that choosing allocates nothing. */
  void reserve(int vocabulary) {
    if (heap.length < vocabulary) {
      heap = new int[vocabulary];
      order = new int[vocabulary];
      cumulative = new double[vocabulary];
    }
  }

  /** The token for one row of logits; {@code uniform} in [0, 1) is unused when greedy. */
  int choose(SamplingSpec spec, long logits, int vocabulary, double uniform) {
    this.logits = logits;
    if (spec.isGreedy()) {
      return largest(vocabulary);
    }
    reserve(vocabulary);
    for (int i = 0; i < vocabulary; i++) {
      heap[i] = i;
    }
    size = vocabulary;
    for (int i = size / 2 - 1; i >= 0; i--) {
      sink(i);
    }
    int kept = spec.topK() == 0 ? vocabulary : Math.min(spec.topK(), vocabulary);
    return draw(spec, kept, vocabulary, uniform);
  }

  /** The smallest id of the largest logits; a NaN counts as the largest. */
  private int largest(int vocabulary) {
    float max = rows.max(logits, vocabulary);
    int id = 0;
    if (Float.isNaN(max)) {
      while (!Float.isNaN(getFloat(logits + 4L * id))) {
        id++;
      }
    } else {
      while (getFloat(logits + 4L * id) != max) {
        id++;
      }
    }
    return id;
  }

  private int draw(SamplingSpec spec, int kept, int vocabulary, double uniform) {
    double max = getFloat(logits + 4L * heap[0]);
    boolean all = kept == vocabulary;
    double total = 0;
    int popped = 0;
    if (all) {
      for (int i = 0; i < vocabulary; i++) {
        total += weight(i, max, spec.temperature());
      }
    } else {
      while (popped < kept) {
        total = take(popped++, total, max, spec.temperature());
      }
    }
    double sum = total;
    if (spec.topP() < 1) {
      double limit = spec.topP() * total;
      int n = 0;
      sum = 0;
      while (n < kept && sum <= limit) {
        if (n == popped) {
          take(popped++, sum, max, spec.temperature());
        }
        sum = cumulative[n++];
      }
      kept = n;
    }
    double target = uniform * sum;
    for (int i = 0; i < kept; i++) {
      if (i == popped) {
        take(popped++, i == 0 ? 0 : cumulative[i - 1], max, spec.temperature());
      }
      if (target < cumulative[i]) {
        return order[i];
      }
    }
    return order[kept - 1];
  }

  private double weight(int id, double max, float temperature) {
    double x = ((double) getFloat(logits + 4L * id) - max) / temperature;
    return x < NEGLIGIBLE ? 0 : Math.exp(x);
  }

  /**
   * Takes the best candidate off the heap as number {@code n}; returns the cumulative weight with
   * it.
   */
  private double take(int n, double before, double max, float temperature) {
    int id = heap[0];
    heap[0] = heap[--size];
    sink(0);
    order[n] = id;
    cumulative[n] = before + weight(id, max, temperature);
    return cumulative[n];
  }

  private void sink(int i) {
    int id = heap[i];
    while (true) {
      int child = 2 * i + 1;
      if (child >= size) {
        break;
      }
      if (child + 1 < size && precedes(heap[child + 1], heap[child])) {
        child++;
      }
      if (!precedes(heap[child], id)) {
        break;
      }
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = id;
  }

  private boolean precedes(int a, int b) {
    float x = getFloat(logits + 4L * a);
    float y = getFloat(logits + 4L * b);
    int order = Float.compare(x == 0 ? 0f : x, y == 0 ? 0f : y);
    return order != 0 ? order > 0 : a < b;
  }
}
