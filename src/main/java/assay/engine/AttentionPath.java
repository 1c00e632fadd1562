package assay.engine;

/** How attention is computed; the results agree, the memory and time do not (claim M7). */
public enum AttentionPath {
  /** Online softmax over tiles, no stored scores. */
  TILED,
  /** All scores in memory: [batch · tokens · heads, maxSeqLen] in fp32. */
  STORED
}
