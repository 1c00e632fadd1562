// targets: sm_75
//
// The next token of each sequence from logits fp32 [batch, vocabulary] (strided). Order everywhere: falling logit, of
// equals the smaller id first; NaN before all numbers (a broken model shows).
//
// greedy_partial, greedy_pick
//   The first of that order. Blocks of 256 threads over parts of a row, grid (parts, batch), leave their best in
//   partials u64 [batch, parts] = ordered bits of the logit << 32 | ~id; then a block of 128 a sequence takes the best.
//
// sample  (SamplingSpec; draw d = counters[DRAW] uses uniforms[d · batch + b] in [0, 1))
//   1. top-k: the k first of the order. 2. top-p: of those the smallest prefix whose cumulative weight exceeds
//   p · total, weights exp((logit - max) / temperature). 3. The draw: the first whose cumulative weight exceeds
//   uniform · total of what is kept.
//   All three are one question: in this order, where does a running sum pass a limit? It is answered without sorting,
//   by sums over buckets: a histogram over 2047 equal steps of logit (which spreads real logits evenly, so atomics
//   rarely collide) and a rest, then 11, 11 and 10 bits of the logit's ordered bits within the bucket found. Equals have
//   equal weights, so ids matter only at the end: "the j-th smallest id of this logit".
//   Weights are integers, exp · 2^42: sums are exact, the result does not depend on the order of atomics, and no
//   weight that is lost (below 2^-43 of the largest) could be drawn in a lifetime. Against exact arithmetic a boundary
//   moves by the error of expf, about 1e-7 of the total.
//   A block of 1024 threads a sequence, grid batch. Memory: the row is read 3 times and once per level (up to 3) of
//   each question, from the L2: 600 kB a time at 152k tokens. fp32 exponentials, no fp64 but three products (consumer
//   cards have few fp64 units). Tried on paper: a full sort (more passes, scratch), bisection without atomics (11 passes
//   of 8 thresholds).
#include "common.cuh"

constexpr int kSampleThreads = 1024;
constexpr int kBuckets = 2048;
constexpr float kWeightOne = 4398046511104.0f;  // 2^42
constexpr u32 kNanKey = 0xffffffffu;
constexpr u32 kInfinityKey = 0xff800000u;

// Bits whose unsigned order is that of the numbers; -0 is 0, NaN the largest.
DEVICE u32 ordered_key(float x) {
  if (x != x) {
    return kNanKey;
  }
  u32 bits = __float_as_uint(x + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

DEVICE float value_of_key(u32 key) { return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

template <int kThreads, class T>
DEVICE T block_max(T v, T* scratch) {
  UNROLL for (int lanes = 16; lanes > 0; lanes /= 2) {
    T other = __shfl_xor_sync(kAllLanes, v, lanes);
    v = other > v ? other : v;
  }
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = v;
  }
  __syncthreads();
  v = scratch[0];
  UNROLL for (int w = 1; w < kThreads / 32; w++) {
    v = scratch[w] > v ? scratch[w] : v;
  }
  __syncthreads();
  return v;
}

ENTRY(256, greedy_partial, u64* partials, const f32* logits, int ldLogits, int vocabulary, int parts) {
  SHARED(u64, scratch, 8);
  const f32* row = logits + (size_t)blockIdx.y * ldLogits;
  u64 best = 0;
  for (int id = blockIdx.x * 256 + threadIdx.x; id < vocabulary; id += 256 * parts) {
    u64 candidate = (u64)ordered_key(row[id]) << 32 | (u32)~id;
    best = candidate > best ? candidate : best;
  }
  best = block_max<256>(best, scratch);
  if (threadIdx.x == 0) {
    partials[(size_t)blockIdx.y * parts + blockIdx.x] = best;
  }
}

DEVICE void emit(int* tokens, int* history, const int* counters, int batch, int sequence, int id) {
  tokens[sequence] = id;
  history[(size_t)counters[kDraw] * batch + sequence] = id;
}

ENTRY(128, greedy_pick, int* tokens, int* history, const int* counters, const u64* partials, int batch, int parts) {
  SHARED(u64, scratch, 4);
  u64 best = 0;
  for (int i = threadIdx.x; i < parts; i += 128) {
    u64 candidate = partials[(size_t)blockIdx.x * parts + i];
    best = candidate > best ? candidate : best;
  }
  best = block_max<128>(best, scratch);
  if (threadIdx.x == 0) {
    emit(tokens, history, counters, batch, blockIdx.x, (int)~(u32)best);
  }
}

// One row of logits and how its entries weigh.
struct Row {
  const f32* logits;
  int vocabulary;
  float largest;
  float inverseTemperature;
  float bucketsPerLogit;

  DEVICE_OP u64 weight(float x, bool counting) const {
    return counting ? 1 : (u64)(expf((x - largest) * inverseTemperature) * kWeightOne);
  }

  // 0 for the largest logits; falls together with the logit.
  DEVICE_OP int bucket(float x) const {
    float steps = (largest - x) * bucketsPerLogit;
    return steps < (float)(kBuckets - 1) ? (int)steps : kBuckets - 1;
  }
};

// The first of the order: all logits with a key above `key`, and the `equals` smallest ids of those with that key.
struct Prefix {
  u32 key;
  u64 equals;
};

struct Search {  // shared
  u64 histogram[kBuckets];
  u64 warpSums[kSampleThreads / 32];
  u64 limit;
  u64 above;   // sum of all before the bucket found
  int bucket;  // found
};

// Digit of an entry at a level, small for large logits: level 0 the bucket, then three digits of the key.
DEVICE int digit_at(int level, const Row& row, float x, u32 key) {
  switch (level) {
    case 0:
      return row.bucket(x);
    case 1:
      return 2047 - (int)(key >> 21);
    case 2:
      return 2047 - (int)(key >> 10 & 2047);
    default:
      return 1023 - (int)(key & 1023);
  }
}

// Finds the first bucket at whose end the running sum exceeds search.limit; adds what lies before it to search.above.
// With `fraction` ≥ 0 the limit is first set to fraction · total.
DEVICE void find_bucket(Search& search, double fraction) {
  int t = threadIdx.x;
  u64 first = search.histogram[2 * t];
  u64 sum = first + search.histogram[2 * t + 1];
  u64 own = sum;
  UNROLL for (int lanes = 1; lanes < 32; lanes *= 2) {
    u64 other = __shfl_up_sync(kAllLanes, sum, lanes);
    sum += t % 32 >= lanes ? other : 0;
  }
  if (t % 32 == 31) {
    search.warpSums[t / 32] = sum;
  }
  __syncthreads();
  u64 before = search.above;
  u64 total = 0;
  for (int w = 0; w < kSampleThreads / 32; w++) {
    before += w < t / 32 ? search.warpSums[w] : 0;
    total += search.warpSums[w];
  }
  if (fraction >= 0 && t == 0) {
    double limit = fraction * (double)total;
    search.limit = limit < (double)(total - 1) ? (u64)limit : total - 1;
  }
  __syncthreads();
  u64 limit = search.limit;
  u64 begin = before + sum - own;
  if (begin <= limit && limit < begin + own) {
    bool second = limit >= begin + first;
    search.bucket = 2 * t + (second ? 1 : 0);
    search.above = begin + (second ? first : 0);
  }
  __syncthreads();
}

// The shortest prefix of `within` whose weight exceeds the limit (if `fraction` ≥ 0, that fraction of the total weight).
DEVICE Prefix shortest_prefix(const Row& row, Search& search, Prefix within, bool counting, u64 limit,
                              double fraction) {
  int digits[4];
  u32 key = 0;
  if (threadIdx.x == 0) {
    search.limit = limit;
    search.above = 0;
  }
  float edge = value_of_key(within.key);
  for (int level = 0; level < 4; level++) {
    for (int i = threadIdx.x; i < kBuckets; i += kSampleThreads) {
      search.histogram[i] = 0;
    }
    __syncthreads();
    auto inside = [&](float x, u32 k) {
      return (level < 1 || row.bucket(x) == digits[0]) && (level < 2 || digit_at(1, row, x, k) == digits[1]) &&
             (level < 3 || digit_at(2, row, x, k) == digits[2]);
    };
    for (int id = threadIdx.x; id < row.vocabulary; id += kSampleThreads) {
      float x = row.logits[id];
      u32 k = ordered_key(x);
      if (k > within.key && inside(x, k)) {
        atomicAdd(&search.histogram[digit_at(level, row, x, k)], row.weight(x, counting));
      }
    }
    if (threadIdx.x == 0 && within.equals > 0 && inside(edge, within.key)) {
      atomicAdd(&search.histogram[digit_at(level, row, edge, within.key)],
                within.equals * row.weight(edge, counting));
    }
    __syncthreads();
    find_bucket(search, level == 0 ? fraction : -1.0);
    digits[level] = search.bucket;
  }
  key = (u32)(2047 - digits[1]) << 21 | (u32)(2047 - digits[2]) << 10 | (u32)(1023 - digits[3]);
  u64 each = row.weight(value_of_key(key), counting);
  Prefix found = {key, (search.limit - search.above) / each + 1};
  __syncthreads();
  return found;
}

// The j-th smallest id (from 1) whose logit has this key; shared: one int a warp, and the result.
DEVICE int id_of_equal(const Row& row, u32 key, u64 j, int* counts, int* result) {
  constexpr int kWarps = kSampleThreads / 32;
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int span = (row.vocabulary + kWarps - 1) / kWarps;  // consecutive ids a warp
  int begin = warp * span;
  int end = begin + span < row.vocabulary ? begin + span : row.vocabulary;
  int count = 0;
  for (int base = begin; base < end; base += 32) {
    bool equal = base + lane < end && ordered_key(row.logits[base + lane]) == key;
    count += __popc(__ballot_sync(kAllLanes, equal));
  }
  if (lane == 0) {
    counts[warp] = count;
  }
  __syncthreads();
  u64 before = 0;
  for (int w = 0; w < warp; w++) {
    before += counts[w];
  }
  if (before < j && j <= before + count) {
    for (int base = begin; base < end; base += 32) {
      bool equal = base + lane < end && ordered_key(row.logits[base + lane]) == key;
      u32 votes = __ballot_sync(kAllLanes, equal);
      u64 rank = before + __popc(votes & ((2u << lane) - 1));
      if (equal && rank == j) {
        *result = base + lane;
      }
      before += __popc(votes);
    }
  }
  __syncthreads();
  return *result;
}

ENTRY(1024, sample, int* tokens, int* history, const f32* logits, int ldLogits, int vocabulary, float temperature,
      int topK, float topP, const f32* uniforms, const int* counters, int batch) {
  SHARED(Search, search, 1);
  SHARED(u32, scratch, kSampleThreads / 32);
  SHARED(int, counts, kSampleThreads / 32);
  SHARED(int, result, 1);
  Row row = {logits + (size_t)blockIdx.x * ldLogits, vocabulary, 0, 1.0f / temperature, 0};
  u32 largest = 0;
  u32 smallest = ~0u;  // of the finite ones
  for (int id = threadIdx.x; id < vocabulary; id += kSampleThreads) {
    float x = row.logits[id];
    u32 key = ordered_key(x);
    largest = key > largest ? key : largest;
    smallest = x > -kInfinity && key < smallest ? key : smallest;
  }
  largest = block_max<kSampleThreads>(largest, scratch);
  smallest = ~block_max<kSampleThreads>(~smallest, scratch);
  u32 key = largest;
  u64 j = 1;
  row.largest = value_of_key(largest);
  // Without a finite largest logit there are no probabilities: the first of the order stands.
  if (largest < kInfinityKey && row.largest > -kInfinity) {
    // Beyond 32 temperatures below the largest nothing weighs.
    float spread = fminf(row.largest - value_of_key(smallest), 32.0f * temperature);
    row.bucketsPerLogit = spread > 0 ? (kBuckets - 1) / spread : 0.0f;
    Prefix kept = {0, 0};  // key 0 is below every number's: all
    if (topK > 0 && topK < vocabulary) {
      kept = shortest_prefix(row, *search, kept, true, (u64)topK - 1, -1.0);
    }
    if (topP < 1.0f) {
      kept = shortest_prefix(row, *search, kept, false, 0, topP);
    }
    float uniform = uniforms[(size_t)counters[kDraw] * batch + blockIdx.x];
    Prefix drawn = shortest_prefix(row, *search, kept, false, 0, uniform);
    key = drawn.key;
    j = drawn.equals;
  }
  int id = id_of_equal(row, key, j, counts, result);
  if (threadIdx.x == 0) {
    emit(tokens, history, counters, batch, blockIdx.x, id);
  }
}
