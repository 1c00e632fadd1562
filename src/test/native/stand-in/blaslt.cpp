// A stand-in for libcublasLt: products of e4m3 matrices, under the rules of the library's documentation.
#include <set>

#include "numbers.h"
#include "standin.h"

using namespace standin;
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kOk = 0;
constexpr int kInvalid = 7;
constexpr int kExecutionFailed = 13;
constexpr int kNotSupported = 15;
constexpr int kCompute32F = 68;

struct Desc {
  int compute;
  int op_a = 0;
  uint64_t scale_a = 0;
  uint64_t scale_b = 0;
};

struct Layout {
  int type;
  uint64_t rows;
  uint64_t columns;
  int64_t ld;
};

struct Preference {
  size_t workspace_bytes = 0;
};

struct Result {
  uint64_t algorithm[8];
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Result) == 96, "as in cublasLt.h");

constexpr uint64_t kAlgorithm = 0x5741;
constexpr size_t kNeeds = 4 << 20;

template <class T>
int create(void** out, T value) {
  *out = new T(value);
  count_object(1);
  return kOk;
}

template <class T>
int destroy(void* p) {
  delete static_cast<T*>(p);
  count_object(-1);
  return kOk;
}

bool takes(const Desc& d, const Layout& a, const Layout& b, const Layout& c) {
  return d.compute == kCompute32F && d.op_a == 1 && a.type == kF8 && b.type == kF8 &&
         (c.type == kF32 || c.type == kF16 || c.type == kBf16) && a.rows == b.rows && a.columns == c.rows &&
         b.columns == c.columns && a.rows % 16 == 0 && a.columns % 16 == 0 && a.ld % 16 == 0 && b.ld % 16 == 0 &&
         a.ld >= (int64_t)a.rows && b.ld >= (int64_t)b.rows && c.ld >= (int64_t)c.rows;
}

}  // namespace

EXPORT int cublasLtCreate(void** handle) {
  if (int ordered = ordered_failure("cublasLtCreate")) {
    return ordered;
  }
  return create(handle, 1);
}
EXPORT int cublasLtDestroy(void* handle) { return destroy<int>(handle); }

EXPORT int cublasLtMatmulDescCreate(void** desc, int compute, int scale) {
  return scale == kF32 ? create(desc, Desc{compute}) : kInvalid;
}
EXPORT int cublasLtMatmulDescDestroy(void* desc) { return destroy<Desc>(desc); }

EXPORT int cublasLtMatmulDescSetAttribute(void* desc, int attribute, const void* value, size_t bytes) {
  auto* d = static_cast<Desc*>(desc);
  if (attribute == 3 && bytes == 4) {
    d->op_a = *static_cast<const int*>(value);
  } else if (attribute == 17 && bytes == 8) {
    d->scale_a = *static_cast<const uint64_t*>(value);
  } else if (attribute == 18 && bytes == 8) {
    d->scale_b = *static_cast<const uint64_t*>(value);
  } else {
    say("cublasLtMatmulDescSetAttribute(%d) of %zu bytes is not imitated", attribute, bytes);
    return kInvalid;
  }
  return kOk;
}

EXPORT int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  return create(layout, Layout{type, rows, columns, ld});
}
EXPORT int cublasLtMatrixLayoutDestroy(void* layout) { return destroy<Layout>(layout); }

EXPORT int cublasLtMatmulPreferenceCreate(void** preference) { return create(preference, Preference{}); }
EXPORT int cublasLtMatmulPreferenceDestroy(void* preference) { return destroy<Preference>(preference); }

EXPORT int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  if (attribute != 1 || bytes != 8) {
    return kInvalid;
  }
  static_cast<Preference*>(preference)->workspace_bytes = *static_cast<const uint64_t*>(value);
  return kOk;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void* desc, void* a, void* b, void* c, void* d, void* preference,
                                          int wanted, Result* results, int* found) {
  *found = 0;
  if (int ordered = ordered_failure("cublasLtMatmulAlgoGetHeuristic")) {
    return ordered;
  }
  if (wanted < 1 || c != d) {
    return kInvalid;
  }
  if (!takes(*static_cast<Desc*>(desc), *static_cast<Layout*>(a), *static_cast<Layout*>(b),
             *static_cast<Layout*>(c)) ||
      static_cast<Preference*>(preference)->workspace_bytes < kNeeds) {
    return kNotSupported;
  }
  results[0] = {};
  results[0].algorithm[0] = kAlgorithm;
  results[0].workspace_bytes = kNeeds;
  *found = 1;
  return kOk;
}

EXPORT int cublasLtMatmul(void*, void* desc, const void* alpha, const void* a, void* a_layout, const void* b,
                          void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                          const Result* algorithm, void* workspace, size_t workspace_bytes, void* stream) {
  if (int ordered = ordered_failure("cublasLtMatmul")) {
    return ordered;
  }
  Desc m = *static_cast<Desc*>(desc);
  Layout la = *static_cast<Layout*>(a_layout);
  Layout lb = *static_cast<Layout*>(b_layout);
  Layout lc = *static_cast<Layout*>(c_layout);
  auto pa = reinterpret_cast<uint64_t>(a);
  auto pb = reinterpret_cast<uint64_t>(b);
  auto pd = reinterpret_cast<uint64_t>(d);
  auto pw = reinterpret_cast<uint64_t>(workspace);
  if (algorithm->algorithm[0] != kAlgorithm || c != d || c_layout != d_layout || !takes(m, la, lb, lc)) {
    say("cublasLtMatmul with an algorithm that is not of this product");
    return kInvalid;
  }
  if (!is_device_range(pa, (la.columns - 1) * la.ld + la.rows) ||
      !is_device_range(pb, (lb.columns - 1) * lb.ld + lb.rows) ||
      !is_device_range(pd, ((lc.columns - 1) * lc.ld + lc.rows) * element_bytes(lc.type)) ||
      !is_device_range(m.scale_a, 4) || !is_device_range(m.scale_b, 4) || !is_device_range(pw, workspace_bytes) ||
      workspace_bytes < kNeeds || pa % 16 != 0 || pb % 16 != 0 || pd % 16 != 0 || pw % 256 != 0) {
    say("cublasLtMatmul with memory that is not there or not aligned");
    return kInvalid;
  }
  float al = *static_cast<const float*>(alpha);
  float be = *static_cast<const float*>(beta);
  int status = enqueue(stream, [=] {
    poison(pw, kNeeds);
    double scale = (double)*reinterpret_cast<float*>(m.scale_a) * *reinterpret_cast<float*>(m.scale_b) * al;
    auto* out = reinterpret_cast<void*>(pd);
    for (size_t j = 0; j < lc.columns; j++) {
      for (size_t i = 0; i < lc.rows; i++) {
        double sum = 0;
        for (size_t x = 0; x < la.rows; x++) {
          sum += load(reinterpret_cast<void*>(pa), kF8, i * la.ld + x) *
                 load(reinterpret_cast<void*>(pb), kF8, j * lb.ld + x);
        }
        size_t at = j * lc.ld + i;
        store(out, lc.type, at, scale * sum + (be == 0 ? 0 : be * load(out, lc.type, at)));
      }
    }
    return kSuccess;
  });
  return status == kSuccess ? kOk : kExecutionFailed;
}
