// A stand-in for libcurand.so.10: uniforms in (0, 1] that depend on seed and place alone.
#include "standin.h"

using namespace standin;
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kOk = 0;
constexpr int kNoStream = 101;
constexpr int kTypeError = 103;
constexpr int kOutOfRange = 104;
constexpr int kLaunchFailure = 201;
constexpr int kPhilox = 161;

struct Generator {
  uint64_t seed = 0;
  uint64_t offset = 0;
  void* stream = nullptr;
};

uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

}  // namespace

EXPORT int curandCreateGenerator(void** generator, int type) {
  if (type != kPhilox) {
    return kTypeError;
  }
  *generator = new Generator;
  count_object(1);
  return kOk;
}

EXPORT int curandDestroyGenerator(void* generator) {
  delete static_cast<Generator*>(generator);
  count_object(-1);
  return kOk;
}

EXPORT int curandGetVersion(int* version) {
  *version = 10000;
  return kOk;
}

EXPORT int curandSetStream(void* generator, void* stream) {
  static_cast<Generator*>(generator)->stream = stream;
  return kOk;
}

EXPORT int curandSetPseudoRandomGeneratorSeed(void* generator, unsigned long long seed) {
  static_cast<Generator*>(generator)->seed = seed;
  return kOk;
}

EXPORT int curandSetGeneratorOffset(void* generator, unsigned long long offset) {
  static_cast<Generator*>(generator)->offset = offset;
  return kOk;
}

EXPORT int curandSetGeneratorOrdering(void*, int order) { return order >= 100 && order <= 103 ? kOk : kOutOfRange; }

EXPORT int curandGenerateUniform(void* generator, float* out, size_t count) {
  auto* g = static_cast<Generator*>(generator);
  if (g->stream == nullptr) {
    return kNoStream;
  }
  auto address = reinterpret_cast<uint64_t>(out);
  if (!is_device_range(address, 4 * count)) {
    say("curandGenerateUniform to where no memory is");
    return kOutOfRange;
  }
  uint64_t seed = g->seed;
  uint64_t first = g->offset;
  g->offset += count;
  int status = enqueue(g->stream, [=] {
    auto* p = reinterpret_cast<float*>(address);
    for (size_t i = 0; i < count; i++) {
      p[i] = (float)((mix(mix(seed) + (first + i) * 0x9e3779b97f4a7c15ull) >> 40) + 1) * 0x1p-24f;
    }
    return kSuccess;
  });
  return status == kSuccess ? kOk : kLaunchFailure;
}
