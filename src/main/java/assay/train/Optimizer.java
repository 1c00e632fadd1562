package assay.train;

/** What a step updates with, and so what it keeps for each trained parameter. */
public enum Optimizer {
  /** AdamW without decay: Kingma and Ba 2015, algorithm 1. */
  ADAM(2),
  /** Loshchilov and Hutter 2019, algorithm 2. */
  ADAMW(2),
  SGD(0),
  /** One velocity. */
  SGD_MOMENTUM(1);

  private final int states;

  Optimizer(int states) {
    this.states = states;
  }

  /** Numbers kept for each trained parameter, a master copy not counted. */
  public int states() {
    return states;
  }
}
