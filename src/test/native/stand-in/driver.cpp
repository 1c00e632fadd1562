// A stand-in for libcuda.so.1. Its device is this machine's memory and CPU: allocations come filled with 0xFF and with
// guards behind them, work waits in its stream until something waits for it (so that memory which is used again too
// early is noticed), launches run the kernels compiled for the host, captured work is kept and replayed.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "standin.h"

using namespace standin;
typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
#define EXPORT extern "C" __attribute__((visibility("default")))

// What tells this library from a driver.
EXPORT const int assay_stand_in = 1;

namespace standin {
struct Graph {
  std::vector<std::function<int()>> nodes;
};
struct Stream {
  std::deque<std::function<int()>> queue;
  std::unique_ptr<Graph> capture;
  bool capture_broken = false;
};
struct Event {
  bool recorded = false;
  bool reached = false;
  std::chrono::steady_clock::time_point time;
};
}  // namespace standin

namespace {

constexpr const char* kName = "STAND-IN (not a GPU)";
constexpr size_t kContextBytes = 96 << 20;
constexpr size_t kGuardBytes = 256;
constexpr unsigned char kGuard = 0xa5;
constexpr size_t kChunk = 2 << 20;  // of memory mapped lazily

struct Block {
  size_t bytes;
  size_t mapped;  // 0: from malloc
};

struct Module {
  std::string text;
};

struct Function {
  const void* kernel;
  std::string name;
  unsigned block;
  int parameters;
  int dynamic_shared = 48 << 10;
};

struct Order {
  std::string function;
  int after;
  int status;
};

std::recursive_mutex lock;
std::map<uint64_t, Block> blocks;
std::set<void*> pinned;
std::map<void*, size_t> pinned_bytes;
std::set<Stream*> streams;
std::set<void*> objects;
std::vector<Order> orders;
size_t total = size_t(4) << 30;
size_t live = 0;
int major_ = 8;
int minor_ = 0;
int driver_version = STAND_IN_CUDA;
int device_count = 1;
int context_references = 0;
int live_objects = 0;
int sticky = kSuccess;
bool initialized = false;
int64_t launches = 0;
int64_t graph_launches = 0;
int64_t synchronizations = 0;
unsigned schedule = 0;

void* host_symbol(const char* name) {
  static void* library = [] {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&host_symbol), &info);
    std::string folder = info.dli_fname;
    folder.resize(folder.rfind('/') + 1);
    void* l = dlopen((folder + "libassay-host-kernels.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (l == nullptr) {
      say("no kernels: %s", dlerror());
    }
    return l;
  }();
  return library == nullptr ? nullptr : dlsym(library, name);
}

bool is_sticky(int status) {
  switch (status) {
    case 214:
    case 220:
    case 700:
    case 702:
    case 709:
    case 710:
    case 714:
    case 715:
    case 716:
    case 717:
    case 718:
    case 719:
    case 999:
      return true;
    default:
      return false;
  }
}

// Every entry begins with this: a lost context answers everything with its error, an ordered failure comes first.
#define ENTER(function)                          \
  std::lock_guard<std::recursive_mutex> hold(lock); \
  do {                                           \
    if (sticky != kSuccess) return sticky;       \
    int ordered = ordered_failure(function);     \
    if (ordered != kSuccess) {                   \
      if (is_sticky(ordered)) sticky = ordered;  \
      return ordered;                            \
    }                                            \
  } while (0)

#define NEEDS_CONTEXT() \
  if (context_references == 0) return kInvalidContext

bool guard_holds(uint64_t address, const Block& b) {
  auto* p = reinterpret_cast<unsigned char*>(address + b.bytes);
  for (size_t i = 0; i < kGuardBytes; i++) {
    if (p[i] != kGuard) {
      say("memory behind an allocation of %zu bytes was overwritten at byte %zu", b.bytes, i);
      return false;
    }
  }
  return true;
}

int run(Stream* s) {
  synchronizations++;
  while (!s->queue.empty() && sticky == kSuccess) {
    auto work = std::move(s->queue.front());
    s->queue.pop_front();
    int status = work();
    if (status != kSuccess) {
      sticky = status;
    }
  }
  if (sticky != kSuccess) {
    s->queue.clear();
    return sticky;
  }
  for (auto& [address, block] : blocks) {
    if (!guard_holds(address, block)) {
      sticky = kIllegalAddress;
      return sticky;
    }
  }
  return kSuccess;
}

int run_all() {
  for (Stream* s : streams) {
    int status = run(s);
    if (status != kSuccess) {
      return status;
    }
  }
  return kSuccess;
}

bool any_capture() {
  for (Stream* s : streams) {
    if (s->capture) {
      return true;
    }
  }
  return false;
}

// Large memory is mapped from one file full of 0xFF and copied when written: filling it all would take the tests'
// time.
void* map_poisoned(size_t bytes) {
  static int file = [] {
    int f = memfd_create("stand-in-memory", MFD_CLOEXEC);
    std::vector<unsigned char> ff(kChunk, 0xff);
    if (f < 0 || write(f, ff.data(), kChunk) != (ssize_t)kChunk) {
      abort();
    }
    return f;
  }();
  auto* base = static_cast<char*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (base == MAP_FAILED) {
    return nullptr;
  }
  for (size_t at = 0; at < bytes; at += kChunk) {
    mmap(base + at, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0);
  }
  return base;
}

bool is_pinned(const void* p, size_t bytes) {
  auto at = pinned_bytes.upper_bound(const_cast<void*>(p));
  if (at == pinned_bytes.begin()) {
    return false;
  }
  --at;
  auto* base = static_cast<const char*>(at->first);
  return static_cast<const char*>(p) + bytes <= base + at->second;
}

// The next word after `key` on the line where the PTX text has it first.
std::string directive(const std::string& text, const std::string& key) {
  size_t at = text.find(key + " ");
  if (at == std::string::npos) {
    return "";
  }
  at += key.size() + 1;
  return text.substr(at, text.find_first_of(" ,\n\r", at) - at);
}

}  // namespace

namespace standin {

void say(const char* format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fprintf(stderr, "STAND-IN: %s\n", text);
}

int ordered_failure(const char* function) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  for (size_t i = 0; i < orders.size(); i++) {
    if (orders[i].function == function && orders[i].after-- == 0) {
      int status = orders[i].status;
      orders.erase(orders.begin() + i);
      return status;
    }
  }
  return 0;
}

bool is_device_range(uint64_t address, size_t bytes) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  auto at = blocks.upper_bound(address);
  if (at == blocks.begin()) {
    return false;
  }
  --at;
  return address + bytes <= at->first + at->second.bytes;
}

int enqueue(void* stream, std::function<int()> work) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (sticky != kSuccess) {
    return sticky;
  }
  auto* s = static_cast<Stream*>(stream);
  if (streams.count(s) == 0) {
    say("work for a stream that does not exist (the default stream is not to be used)");
    return kInvalidHandle;
  }
  if (s->capture) {
    s->capture->nodes.push_back(std::move(work));
  } else {
    s->queue.push_back(std::move(work));
  }
  return kSuccess;
}

void count_object(int delta) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  live_objects += delta;
}

size_t live_bytes() { return live; }
size_t used_bytes() { return live + (context_references > 0 ? kContextBytes : 0); }
size_t total_bytes() { return total; }

void poison(uint64_t address, size_t bytes) { memset(reinterpret_cast<void*>(address), 0xff, bytes); }

}  // namespace standin

// ---- for tests

EXPORT void stand_in_fail(const char* function, int after, int status) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  orders.push_back({function, after, status});
}

// The device as it is when a test begins. Nothing may be open.
EXPORT void stand_in_reset(uint64_t memory_bytes, int compute_major, int compute_minor, int cuda_version, int devices,
                           int order_of_threads) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  total = memory_bytes;
  major_ = compute_major;
  minor_ = compute_minor;
  driver_version = cuda_version;
  device_count = devices;
  schedule = (unsigned)order_of_threads;
  orders.clear();
  launches = graph_launches = synchronizations = 0;
}

EXPORT int64_t stand_in_live_bytes() { return (int64_t)live; }
EXPORT int64_t stand_in_live_objects() { return live_objects + context_references + (int64_t)pinned.size(); }
EXPORT int64_t stand_in_launches() { return launches; }
EXPORT int64_t stand_in_graph_launches() { return graph_launches; }
EXPORT int64_t stand_in_synchronizations() { return synchronizations; }

// ---- start, device

EXPORT CUresult cuInit(unsigned) {
  ENTER("cuInit");
  initialized = true;
  return kSuccess;
}

EXPORT CUresult cuDriverGetVersion(int* version) {
  ENTER("cuDriverGetVersion");
  *version = driver_version;
  return kSuccess;
}

EXPORT CUresult cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount");
  if (!initialized) {
    return kNotInitialized;
  }
  *count = device_count;
  return kSuccess;
}

EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  ENTER("cuDeviceGet");
  if (!initialized) {
    return kNotInitialized;
  }
  if (ordinal < 0 || ordinal >= device_count) {
    return kInvalidDevice;
  }
  *device = ordinal;
  return kSuccess;
}

EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  ENTER("cuDeviceGetName");
  snprintf(name, (size_t)length, "%s", kName);
  return kSuccess;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  ENTER("cuDeviceTotalMem");
  *bytes = total;
  return kSuccess;
}

EXPORT CUresult cuDeviceGetPCIBusId(char* id, int length, CUdevice device) {
  ENTER("cuDeviceGetPCIBusId");
  snprintf(id, (size_t)length, "0000:%02x:00.0", device + 1);
  return kSuccess;
}

EXPORT CUresult cuDeviceGetUuid(void* uuid, CUdevice) {
  ENTER("cuDeviceGetUuid");
  memset(uuid, 0, 16);
  return kSuccess;
}

EXPORT CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice) {
  ENTER("cuDeviceGetAttribute");
  switch (attribute) {
    case 13:  // clock rate, kHz
    case 36:  // memory clock rate
      *value = 1;
      return kSuccess;
    case 16:  // multiprocessors
      *value = 4;
      return kSuccess;
    case 32:  // ECC
      *value = 0;
      return kSuccess;
    case 37:  // bus width
      *value = 1;
      return kSuccess;
    case 38:  // L2 bytes
      *value = 1 << 20;
      return kSuccess;
    case 75:
      *value = major_;
      return kSuccess;
    case 76:
      *value = minor_;
      return kSuccess;
    case 97:  // shared memory per block, opted in
      *value = 163 << 10;
      return kSuccess;
    default:
      say("cuDeviceGetAttribute(%d) is not imitated", attribute);
      return kInvalidValue;
  }
}

EXPORT CUresult cuDevicePrimaryCtxRetain(void** context, CUdevice) {
  ENTER("cuDevicePrimaryCtxRetain");
  context_references++;
  *context = reinterpret_cast<void*>(0x1);
  return kSuccess;
}

// Works after a sticky error too: it is how a program gets rid of it.
static void drop_context() {
  for (auto& [address, block] : blocks) {
    if (block.mapped > 0) {
      munmap(reinterpret_cast<void*>(address), block.mapped);
    } else {
      free(reinterpret_cast<void*>(address));
    }
  }
  blocks.clear();
  live = 0;
  for (Stream* s : streams) {
    delete s;
  }
  streams.clear();
  for (void* p : pinned) {
    free(p);
  }
  pinned.clear();
  pinned_bytes.clear();
  objects.clear();
  live_objects = 0;
  sticky = kSuccess;
}

EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  drop_context();
  return kSuccess;
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (context_references == 0) {
    return kInvalidContext;
  }
  context_references--;
  return kSuccess;
}

EXPORT CUresult cuCtxSetCurrent(void*) {
  ENTER("cuCtxSetCurrent");
  return kSuccess;
}

// A profiler would look from here to there; nobody does.
EXPORT CUresult cuProfilerStart() {
  ENTER("cuProfilerStart");
  return kSuccess;
}

EXPORT CUresult cuProfilerStop() {
  ENTER("cuProfilerStop");
  return kSuccess;
}

// ---- memory

EXPORT CUresult cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  ENTER("cuMemGetInfo");
  NEEDS_CONTEXT();
  *free_bytes = total - used_bytes();
  *total_bytes = total;
  return kSuccess;
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
  ENTER("cuMemAlloc");
  NEEDS_CONTEXT();
  if (bytes == 0) {
    return kInvalidValue;
  }
  if (any_capture()) {
    say("cuMemAlloc while capturing");
    return kCaptureUnsupported;
  }
  if (used_bytes() + bytes > total) {
    return kOutOfMemory;
  }
  size_t padded = (bytes + kGuardBytes + kChunk - 1) / kChunk * kChunk;
  void* p;
  if (bytes >= kChunk) {
    p = map_poisoned(padded);
  } else {
    padded = 0;
    p = aligned_alloc(512, (bytes + kGuardBytes + 511) / 512 * 512);
    if (p != nullptr) {
      memset(p, 0xff, bytes);
    }
  }
  if (p == nullptr) {
    return kOutOfMemory;
  }
  memset(static_cast<char*>(p) + bytes, kGuard, kGuardBytes);
  *pointer = reinterpret_cast<uint64_t>(p);
  blocks[*pointer] = {bytes, padded};
  live += bytes;
  return kSuccess;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr pointer) {
  ENTER("cuMemFree");
  NEEDS_CONTEXT();
  int status = run_all();
  if (status != kSuccess) {
    return status;
  }
  auto at = blocks.find(pointer);
  if (at == blocks.end()) {
    return kInvalidValue;
  }
  live -= at->second.bytes;
  if (at->second.mapped > 0) {
    munmap(reinterpret_cast<void*>(pointer), at->second.mapped);
  } else {
    free(reinterpret_cast<void*>(pointer));
  }
  blocks.erase(at);
  return kSuccess;
}

EXPORT CUresult cuMemAllocHost_v2(void** pointer, size_t bytes) {
  ENTER("cuMemAllocHost");
  NEEDS_CONTEXT();
  void* p = malloc(bytes);
  memset(p, 0xff, bytes);
  pinned.insert(p);
  pinned_bytes[p] = bytes;
  *pointer = p;
  return kSuccess;
}

EXPORT CUresult cuMemFreeHost(void* pointer) {
  ENTER("cuMemFreeHost");
  NEEDS_CONTEXT();
  int status = run_all();
  if (status != kSuccess) {
    return status;
  }
  if (pinned.erase(pointer) == 0) {
    return kInvalidValue;
  }
  pinned_bytes.erase(pointer);
  free(pointer);
  return kSuccess;
}

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, void* stream) {
  ENTER("cuMemcpyHtoDAsync");
  NEEDS_CONTEXT();
  if (!is_device_range(to, bytes)) {
    say("a copy of %zu bytes to where no memory is", bytes);
    return kInvalidValue;
  }
  if (is_pinned(from, bytes)) {  // read when the stream gets there
    return enqueue(stream, [=] {
      memcpy(reinterpret_cast<void*>(to), from, bytes);
      return kSuccess;
    });
  }
  auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  return enqueue(stream, [=] {
    memcpy(reinterpret_cast<void*>(to), staged->data(), bytes);
    return kSuccess;
  });
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoHAsync");
  NEEDS_CONTEXT();
  if (!is_device_range(from, bytes)) {
    say("a copy of %zu bytes from where no memory is", bytes);
    return kInvalidValue;
  }
  return enqueue(stream, [=] {
    memcpy(to, reinterpret_cast<void*>(from), bytes);
    return kSuccess;
  });
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoDAsync");
  NEEDS_CONTEXT();
  if (!is_device_range(from, bytes) || !is_device_range(to, bytes)) {
    return kInvalidValue;
  }
  return enqueue(stream, [=] {
    memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
    return kSuccess;
  });
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, void* stream) {
  ENTER("cuMemsetD8Async");
  NEEDS_CONTEXT();
  if (!is_device_range(to, bytes)) {
    return kInvalidValue;
  }
  return enqueue(stream, [=] {
    memset(reinterpret_cast<void*>(to), value, bytes);
    return kSuccess;
  });
}

struct Copy2D {  // CUDA_MEMCPY2D
  size_t src_x, src_y;
  int src_type;
  const void* src_host;
  CUdeviceptr src_device;
  void* src_array;
  size_t src_pitch;
  size_t dst_x, dst_y;
  int dst_type;
  void* dst_host;
  CUdeviceptr dst_device;
  void* dst_array;
  size_t dst_pitch;
  size_t width, height;
};

EXPORT CUresult cuMemcpy2DAsync_v2(const Copy2D* copy, void* stream) {
  ENTER("cuMemcpy2DAsync");
  NEEDS_CONTEXT();
  Copy2D c = *copy;
  if (c.src_x != 0 || c.src_y != 0 || c.dst_x != 0 || c.dst_y != 0 || c.src_pitch < c.width || c.dst_pitch < c.width) {
    return kInvalidValue;
  }
  bool from_device = c.src_type == 2;
  bool to_device = c.dst_type == 2;
  if ((c.src_type != 1 && c.src_type != 2) || (c.dst_type != 1 && c.dst_type != 2)) {
    return kInvalidValue;
  }
  size_t src_bytes = (c.height - 1) * c.src_pitch + c.width;
  size_t dst_bytes = (c.height - 1) * c.dst_pitch + c.width;
  if ((from_device && !is_device_range(c.src_device, src_bytes)) ||
      (to_device && !is_device_range(c.dst_device, dst_bytes))) {
    say("rows copied to or from where no memory is");
    return kInvalidValue;
  }
  if (!from_device && !is_pinned(c.src_host, src_bytes)) {
    say("rows copied from memory that is not page-locked");
    return kInvalidValue;
  }
  return enqueue(stream, [=] {
    auto* src = from_device ? reinterpret_cast<const char*>(c.src_device) : static_cast<const char*>(c.src_host);
    auto* dst = to_device ? reinterpret_cast<char*>(c.dst_device) : static_cast<char*>(c.dst_host);
    for (size_t r = 0; r < c.height; r++) {
      memcpy(dst + r * c.dst_pitch, src + r * c.src_pitch, c.width);
    }
    return kSuccess;
  });
}

// ---- streams, events

EXPORT CUresult cuStreamCreate(void** stream, unsigned) {
  ENTER("cuStreamCreate");
  NEEDS_CONTEXT();
  auto* s = new Stream;
  streams.insert(s);
  live_objects++;
  *stream = s;
  return kSuccess;
}

EXPORT CUresult cuStreamDestroy_v2(void* stream) {
  ENTER("cuStreamDestroy");
  auto* s = static_cast<Stream*>(stream);
  if (streams.count(s) == 0) {
    return kInvalidHandle;
  }
  int status = run(s);
  streams.erase(s);
  delete s;
  live_objects--;
  return status;
}

EXPORT CUresult cuStreamSynchronize(void* stream) {
  ENTER("cuStreamSynchronize");
  auto* s = static_cast<Stream*>(stream);
  if (streams.count(s) == 0) {
    return kInvalidHandle;
  }
  if (s->capture) {
    say("cuStreamSynchronize while capturing");
    s->capture_broken = true;
    return kCaptureUnsupported;
  }
  return run(s);
}

EXPORT CUresult cuEventCreate(void** event, unsigned) {
  ENTER("cuEventCreate");
  NEEDS_CONTEXT();
  auto* e = new Event;
  objects.insert(e);
  live_objects++;
  *event = e;
  return kSuccess;
}

EXPORT CUresult cuEventDestroy_v2(void* event) {
  ENTER("cuEventDestroy");
  if (objects.erase(event) == 0) {
    return kInvalidHandle;
  }
  run_all();
  delete static_cast<Event*>(event);
  live_objects--;
  return kSuccess;
}

EXPORT CUresult cuEventRecord(void* event, void* stream) {
  ENTER("cuEventRecord");
  if (objects.count(event) == 0) {
    return kInvalidHandle;
  }
  auto* e = static_cast<Event*>(event);
  e->recorded = true;
  e->reached = false;
  return enqueue(stream, [=] {
    e->reached = true;
    e->time = std::chrono::steady_clock::now();
    return kSuccess;
  });
}

EXPORT CUresult cuEventSynchronize(void* event) {
  ENTER("cuEventSynchronize");
  if (objects.count(event) == 0) {
    return kInvalidHandle;
  }
  return run_all();
}

EXPORT CUresult cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  ENTER("cuEventElapsedTime");
  auto* a = static_cast<Event*>(start);
  auto* b = static_cast<Event*>(end);
  if (objects.count(a) == 0 || objects.count(b) == 0 || !a->recorded || !b->recorded) {
    return kInvalidHandle;
  }
  if (!a->reached || !b->reached) {
    return kNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
  return kSuccess;
}

// ---- modules, launches

EXPORT CUresult cuModuleLoadDataEx(void** module, const void* image, unsigned options, int* option, void** value) {
  ENTER("cuModuleLoadDataEx");
  NEEDS_CONTEXT();
  if (any_capture()) {
    say("a module is loaded while capturing");
    return kCaptureUnsupported;
  }
  auto* m = new Module{static_cast<const char*>(image)};
  std::string version = directive(m->text, ".version");
  std::string target = directive(m->text, ".target");
  int status = kSuccess;
  std::string why;
  if (version.empty() || target.rfind("sm_", 0) != 0) {
    status = kInvalidPtx;
    why = "no .version or .target";
  } else if (atof(version.c_str()) > 8.0 + (driver_version - 12000) / 100.0) {
    status = kUnsupportedPtxVersion;
    why = "PTX " + version + " is newer than the driver";
  } else if (atoi(target.c_str() + 3) > 10 * major_ + minor_ ||
             (target.back() == 'a' && atoi(target.c_str() + 3) != 10 * major_ + minor_)) {
    status = kNoBinaryForGpu;
    why = target + " does not run on this device";
  }
  if (status != kSuccess) {
    for (unsigned i = 0; i < options; i++) {
      if (option[i] == 5) {  // CU_JIT_ERROR_LOG_BUFFER
        snprintf(static_cast<char*>(value[i]), 256, "%s", why.c_str());
      }
    }
    delete m;
    return status;
  }
  objects.insert(m);
  live_objects++;
  *module = m;
  return kSuccess;
}

EXPORT CUresult cuModuleLoadData(void** module, const void* image) {
  return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}

static std::map<void*, std::vector<std::unique_ptr<Function>>> functions_of;

EXPORT CUresult cuModuleUnload(void* module) {
  ENTER("cuModuleUnload");
  if (objects.erase(module) == 0) {
    return kInvalidHandle;
  }
  run_all();
  functions_of.erase(module);
  delete static_cast<Module*>(module);
  live_objects--;
  return kSuccess;
}

EXPORT CUresult cuModuleGetFunction(void** function, void* module, const char* name) {
  ENTER("cuModuleGetFunction");
  if (objects.count(module) == 0) {
    return kInvalidHandle;
  }
  const std::string& text = static_cast<Module*>(module)->text;
  if (text.find(".entry " + std::string(name) + "(") == std::string::npos) {
    say("the module's PTX has no entry %s", name);
    return kNotFound;
  }
  auto find = reinterpret_cast<const void* (*)(const char*)>(host_symbol("assay_host_kernel"));
  auto block = reinterpret_cast<unsigned (*)(const void*)>(host_symbol("assay_host_block"));
  auto parameters = reinterpret_cast<int (*)(const void*)>(host_symbol("assay_host_parameters"));
  const void* kernel = find == nullptr ? nullptr : find(name);
  if (kernel == nullptr) {
    say("no kernel %s was compiled for the host", name);
    return kNotFound;
  }
  auto f = std::make_unique<Function>();
  f->kernel = kernel;
  f->name = name;
  f->block = block(kernel);
  f->parameters = parameters(kernel);
  *function = f.get();
  functions_of[module].push_back(std::move(f));
  return kSuccess;
}

EXPORT CUresult cuFuncSetAttribute(void* function, int attribute, int value) {
  ENTER("cuFuncSetAttribute");
  if (attribute != 8 || value > (163 << 10)) {  // MAX_DYNAMIC_SHARED_SIZE_BYTES
    return kInvalidValue;
  }
  static_cast<Function*>(function)->dynamic_shared = value;
  return kSuccess;
}

EXPORT CUresult cuFuncGetAttribute(int* value, int attribute, void* function) {
  ENTER("cuFuncGetAttribute");
  *value = attribute == 0 ? (int)static_cast<Function*>(function)->block : 0;
  return kSuccess;
}

EXPORT CUresult cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                               unsigned block_y, unsigned block_z, unsigned shared, void* stream, void** parameters,
                               void** extra) {
  ENTER("cuLaunchKernel");
  NEEDS_CONTEXT();
  auto* f = static_cast<Function*>(function);
  if (grid_x == 0 || grid_y == 0 || grid_z == 0 || grid_y > 65535 || grid_z > 65535 || block_y != 1 || block_z != 1 ||
      block_x != f->block || (int)shared > f->dynamic_shared || extra != nullptr) {
    say("%s launched over (%u, %u, %u) blocks of %u threads with %u bytes of shared memory", f->name.c_str(), grid_x,
        grid_y, grid_z, block_x, shared);
    return kInvalidValue;
  }
  launches++;
  auto arguments = std::make_shared<std::vector<uint64_t>>();
  for (int i = 0; i < f->parameters; i++) {
    uint64_t bits;
    memcpy(&bits, parameters[i], 8);
    arguments->push_back(bits);
  }
  const void* kernel = f->kernel;
  std::string name = f->name;
  return enqueue(stream, [=] {
    int ordered = ordered_failure(("run " + name).c_str());
    if (ordered != kSuccess) {
      return ordered;
    }
    auto launch = reinterpret_cast<int (*)(const void*, unsigned, unsigned, unsigned, unsigned, unsigned, void**,
                                           unsigned, char*, size_t)>(host_symbol("assay_host_launch"));
    std::vector<void*> pointers;
    for (uint64_t& a : *arguments) {
      pointers.push_back(&a);
    }
    char message[1024] = "";
    if (launch(kernel, grid_x, grid_y, grid_z, block_x, shared, pointers.data(), schedule, message, sizeof message)) {
      say("%s", message);
      return kLaunchFailed;
    }
    return kSuccess;
  });
}

// ---- graphs

EXPORT CUresult cuStreamBeginCapture_v2(void* stream, int) {
  ENTER("cuStreamBeginCapture");
  auto* s = static_cast<Stream*>(stream);
  if (streams.count(s) == 0 || s->capture) {
    return kInvalidHandle;
  }
  s->capture = std::make_unique<Graph>();
  s->capture_broken = false;
  return kSuccess;
}

EXPORT CUresult cuStreamEndCapture(void* stream, void** graph) {
  ENTER("cuStreamEndCapture");
  auto* s = static_cast<Stream*>(stream);
  if (streams.count(s) == 0 || !s->capture) {
    return kInvalidHandle;
  }
  std::unique_ptr<Graph> captured = std::move(s->capture);
  if (s->capture_broken) {
    *graph = nullptr;
    return kCaptureInvalidated;
  }
  *graph = captured.get();
  objects.insert(captured.release());
  live_objects++;
  return kSuccess;
}

EXPORT CUresult cuGraphGetNodes(void* graph, void** nodes, size_t* count) {
  ENTER("cuGraphGetNodes");
  if (objects.count(graph) == 0 || nodes != nullptr) {
    return kInvalidValue;
  }
  *count = static_cast<Graph*>(graph)->nodes.size();
  return kSuccess;
}

EXPORT CUresult cuGraphInstantiateWithFlags(void** exec, void* graph, unsigned long long) {
  ENTER("cuGraphInstantiate");
  if (objects.count(graph) == 0) {
    return kInvalidHandle;
  }
  auto* copy = new Graph(*static_cast<Graph*>(graph));
  objects.insert(copy);
  live_objects++;
  *exec = copy;
  return kSuccess;
}

EXPORT CUresult cuGraphLaunch(void* exec, void* stream) {
  ENTER("cuGraphLaunch");
  if (objects.count(exec) == 0) {
    return kInvalidHandle;
  }
  graph_launches++;
  for (auto& node : static_cast<Graph*>(exec)->nodes) {
    int status = enqueue(stream, node);
    if (status != kSuccess) {
      return status;
    }
  }
  return kSuccess;
}

EXPORT CUresult cuGraphExecDestroy(void* exec) {
  ENTER("cuGraphExecDestroy");
  if (objects.erase(exec) == 0) {
    return kInvalidHandle;
  }
  delete static_cast<Graph*>(exec);
  live_objects--;
  return kSuccess;
}

EXPORT CUresult cuGraphDestroy(void* graph) {
  ENTER("cuGraphDestroy");
  if (objects.erase(graph) == 0) {
    return kInvalidHandle;
  }
  delete static_cast<Graph*>(graph);
  live_objects--;
  return kSuccess;
}
