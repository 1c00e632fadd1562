package assay.model;

import java.util.List;

/**
 * How rotary frequencies are stretched for longer contexts ({@code rope_scaling} of a config.json).
 */
public sealed interface RopeScaling {
  /**
   * The scaled frequency of one pair of elements.
   *
   * @param pair 0 to headDim/2 − 1
   * @param frequency in radians per position
   */
  double scale(int pair, double frequency);

  /** No scaling. */
  record None() implements RopeScaling {
    @Override
    public double scale(int pair, double frequency) {
      return frequency;
    }
  }

  /** Position interpolation: every frequency divided by {@code factor} (Chen et al. 2023). */
  record Linear(double factor) implements RopeScaling {
    @Override
    public double scale(int pair, double frequency) {
      return frequency / factor;
    }
  }

  /**
   * Llama 3's three bands: wavelengths below c/highFreqFactor stay, those above c/lowFreqFactor are
   * divided by {@code factor}, those between are interpolated, c being {@code
   * originalMaxPositions}.
   */
  record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositions)
      implements RopeScaling {
    @Override
    public double scale(int pair, double frequency) {
      double wavelength = 2 * Math.PI / frequency;
      if (wavelength < originalMaxPositions / highFreqFactor) {
        return frequency;
      }
      if (wavelength > originalMaxPositions / lowFreqFactor) {
        return frequency / factor;
      }
      double s =
          (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
      return (1 - s) * frequency / factor + s * frequency;
    }
  }

  /** Every pair has its own divisor, as GGUF files give them (tensor {@code rope_freqs}). */
  record PerPair(List<Double> divisors) implements RopeScaling {
    /** Copies the list. */
    public PerPair {
      divisors = List.copyOf(divisors);
    }

    @Override
    public double scale(int pair, double frequency) {
      return frequency / divisors.get(pair);
    }
  }
}
