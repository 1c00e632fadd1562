// A stand-in for libcublas: checks what a call is given as the library's documentation demands it, and multiplies
// plainly, in fp64. Built twice, under the sonames and symbol versions of cuBLAS 12 and 13.
#include <cstdio>
#include <set>

#include "numbers.h"
#include "standin.h"

using namespace standin;
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// cublasStatus_t
constexpr int kOk = 0;
constexpr int kNotInit = 1;
constexpr int kInvalid = 7;
constexpr int kExecutionFailed = 13;
constexpr int kNotSupported = 15;

// cublasComputeType_t
constexpr int kCompute32F = 68;
constexpr int kCompute32I = 72;
constexpr int kComputeTf32 = 77;

struct Handle {
  void* stream = nullptr;
  uint64_t workspace = 0;
  size_t workspace_bytes = 0;
};

std::set<void*> handles;

bool combination(int compute, int a, int b, int c) {
  if (a != b) {
    return false;
  }
  switch (compute) {
    case kCompute32F:
      return (a == kF32 && c == kF32) || (a == kF16 && (c == kF16 || c == kF32)) ||
             (a == kBf16 && (c == kBf16 || c == kF32));
    case kComputeTf32:
      return a == kF32 && c == kF32;
    case kCompute32I:
      return a == kI8 && c == kI32;
    default:
      return false;
  }
}

struct Operand {
  uint64_t address;
  int type;
  int ld;
  long long stride;
};

// Whether columns of `rows` elements lie within live memory for every matrix of the batch.
bool inside(const char* name, Operand o, int rows, int columns, int count) {
  if (o.ld < (rows > 1 ? rows : 1)) {
    say("%s: leading dimension %d of columns of %d", name, o.ld, rows);
    return false;
  }
  size_t last = (size_t)(count - 1) * (size_t)o.stride + (size_t)(columns - 1) * o.ld + rows;
  if (o.stride < 0 || !is_device_range(o.address, last * element_bytes(o.type))) {
    say("%s: %zu elements from %llx on are not all in one allocation", name, last, (unsigned long long)o.address);
    return false;
  }
  if (o.address % element_bytes(o.type) != 0) {
    say("%s is not aligned to its elements", name);
    return false;
  }
  return true;
}

int gemm(Handle* h, int op_a, int op_b, int m, int n, int k, const void* alpha, Operand a, Operand b, const void* beta,
         Operand c, int count, int compute) {
  if (handles.count(h) == 0) {
    return kNotInit;
  }
  if (int ordered = ordered_failure("cublasGemmEx")) {
    return ordered;
  }
  if (m <= 0 || n <= 0 || k <= 0 || op_a < 0 || op_a > 1 || op_b < 0 || op_b > 1 || count <= 0) {
    say("gemm of m %d, n %d, k %d", m, n, k);
    return kInvalid;
  }
  if (!combination(compute, a.type, b.type, c.type)) {
    say("gemm of types %d and %d into %d with compute type %d", a.type, b.type, c.type, compute);
    return kNotSupported;
  }
  if (!inside("A", a, op_a ? k : m, op_a ? m : k, count) || !inside("B", b, op_b ? n : k, op_b ? k : n, count) ||
      !inside("C", c, m, n, count)) {
    return kInvalid;
  }
  if (h->stream == nullptr || h->workspace_bytes == 0) {
    say("gemm without a stream or a workspace of the caller's");
    return kInvalid;
  }
  bool integer = compute == kCompute32I;
  double al = integer ? *static_cast<const int*>(alpha) : *static_cast<const float*>(alpha);
  double be = integer ? *static_cast<const int*>(beta) : *static_cast<const float*>(beta);
  uint64_t workspace = h->workspace;
  size_t workspace_bytes = h->workspace_bytes;
  int status = enqueue(h->stream, [=] {
    // The library may use all of it for anything.
    poison(workspace, workspace_bytes < (1 << 20) ? workspace_bytes : (1 << 20));
    for (int i = 0; i < count; i++) {
      auto* pa = reinterpret_cast<char*>(a.address) + i * a.stride * element_bytes(a.type);
      auto* pb = reinterpret_cast<char*>(b.address) + i * b.stride * element_bytes(b.type);
      auto* pc = reinterpret_cast<char*>(c.address) + i * c.stride * element_bytes(c.type);
      for (int column = 0; column < n; column++) {
        for (int row = 0; row < m; row++) {
          double sum = 0;
          for (int x = 0; x < k; x++) {
            double va = load(pa, a.type, op_a ? (size_t)row * a.ld + x : (size_t)x * a.ld + row);
            double vb = load(pb, b.type, op_b ? (size_t)x * b.ld + column : (size_t)column * b.ld + x);
            sum += compute == kComputeTf32 ? to_tf32(va) * to_tf32(vb) : va * vb;
          }
          size_t at = (size_t)column * c.ld + row;
          // With beta 0 the old value is not read: it may be NaN.
          store(pc, c.type, at, al * sum + (be == 0 ? 0 : be * load(pc, c.type, at)));
        }
      }
    }
    return kSuccess;
  });
  return status == kSuccess ? kOk : kExecutionFailed;
}

}  // namespace

EXPORT int cublasCreate_v2(void** handle) {
  if (int ordered = ordered_failure("cublasCreate")) {
    return ordered;
  }
  auto* h = new Handle;
  handles.insert(h);
  count_object(1);
  *handle = h;
  return kOk;
}

EXPORT int cublasDestroy_v2(void* handle) {
  if (handles.erase(handle) == 0) {
    return kNotInit;
  }
  delete static_cast<Handle*>(handle);
  count_object(-1);
  return kOk;
}

EXPORT int cublasGetVersion_v2(void*, int* version) {
  *version = STAND_IN_MAJOR * 10000;
  return kOk;
}

EXPORT int cublasSetStream_v2(void* handle, void* stream) {
  auto* h = static_cast<Handle*>(handle);
  h->stream = stream;
  h->workspace = 0;  // as the library does
  h->workspace_bytes = 0;
  return kOk;
}

EXPORT int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
  auto* h = static_cast<Handle*>(handle);
  auto address = reinterpret_cast<uint64_t>(workspace);
  if (address % 256 != 0 || !is_device_range(address, bytes)) {
    say("a workspace of %zu bytes that is not in one allocation, or not aligned to 256", bytes);
    return kInvalid;
  }
  h->workspace = address;
  h->workspace_bytes = bytes;
  return kOk;
}

EXPORT int cublasSetMathMode(void*, int mode) { return mode == 0 || mode == 16 ? kOk : kInvalid; }

EXPORT int cublasGemmEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                        int a_type, int lda, const void* b, int b_type, int ldb, const void* beta, void* c, int c_type,
                        int ldc, int compute, int) {
  return gemm(static_cast<Handle*>(handle), op_a, op_b, m, n, k, alpha,
              {reinterpret_cast<uint64_t>(a), a_type, lda, 0}, {reinterpret_cast<uint64_t>(b), b_type, ldb, 0}, beta,
              {reinterpret_cast<uint64_t>(c), c_type, ldc, 0}, 1, compute);
}

EXPORT int cublasGemmStridedBatchedEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                                      const void* a, int a_type, int lda, long long stride_a, const void* b, int b_type,
                                      int ldb, long long stride_b, const void* beta, void* c, int c_type, int ldc,
                                      long long stride_c, int count, int compute, int) {
  return gemm(static_cast<Handle*>(handle), op_a, op_b, m, n, k, alpha,
              {reinterpret_cast<uint64_t>(a), a_type, lda, stride_a},
              {reinterpret_cast<uint64_t>(b), b_type, ldb, stride_b}, beta,
              {reinterpret_cast<uint64_t>(c), c_type, ldc, stride_c}, count, compute);
}
