// Runs kernels compiled for the host: one block after the other, its threads as fibres.
//
// A warp runs until all its lanes stand at the same shuffle or warp barrier, or at a block barrier; a block barrier
// opens when all threads stand at the same one. Reported instead of hanging or passing by luck:
//   - a barrier or shuffle that not all threads reach, or that they reach at different places;
//   - writes behind a piece of shared memory (guards), vector accesses that are not aligned;
//   - reads of shared memory that nobody wrote (0xFF everywhere: NaN as a float, -1 as an integer);
//   - missing barriers, because `schedule` changes the order of warps and lanes: 0 forward, 1 backward, else shuffled
//     from that seed. A read that another order has not yet written sees 0xFF or stale data. cp.async arrives at once
//     with even numbers and as late as allowed with odd ones.
#include "shim.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

namespace shim {

Fibre* current;
Dim3 block_index, block_size, grid_size;
unsigned char* exchange_slots;

namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr size_t kPage = 4096;
constexpr size_t kSharedBytes = 256 << 10;
constexpr size_t kGuardBytes = 64;
constexpr unsigned char kGuard = 0xa5;

Kernel* kernels;

enum class State { kReady, kAtWarpBarrier, kAtBlockBarrier, kDone };

struct AsyncCopy {
  void* to;
  const void* from;
  unsigned read, bytes;
  unsigned group;
};

struct Thread : Fibre {
  State state;
  Site site;
  unsigned mask;
  void* stack;
  void* stack_pointer;
  std::vector<AsyncCopy> copies;  // under way, in the order of their groups
  unsigned group;                 // the one not yet committed
};

struct Piece {
  const void* declaration;
  unsigned char* at;
  size_t bytes;
};

// One launch at a time: the state of the running block.
std::mutex launch_mutex;
std::vector<Thread> threads;
std::vector<void*> stacks;
std::vector<unsigned char> slots_of_all;  // [warp][2][32][kSlotBytes]
// Lanes of the running warp that have their turn in this round, last first.
std::vector<Thread*> turns;
std::vector<Piece> pieces;
unsigned char* shared_memory;
size_t shared_used;
size_t dynamic_bytes;
void* scheduler_stack_pointer;
std::string error;
bool failed;
bool copies_at_once;
const Kernel* running;
void** running_args;

// ---- switching stacks

#if defined(__x86_64__)
extern "C" __attribute__((visibility("hidden"))) void shim_switch(void** save, void* to);
asm(R"(
.text
.globl shim_switch
.hidden shim_switch
.type shim_switch, @function
shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size shim_switch, .-shim_switch
)");

void enter();

void prepare_stack(Thread& t) {
  // As if enter() had been called: six saved registers, then its address, then an aligned frame. Tops differ by a few
  // lines from thread to thread, else a thousand stacks would share the same few sets of the caches.
  auto top = reinterpret_cast<uintptr_t>(t.stack) + kStackBytes - t.thread.x % 64 * 320;
  auto* sp = reinterpret_cast<void**>(top) - 1;
  *sp = nullptr;
  *--sp = reinterpret_cast<void*>(&enter);
  for (int i = 0; i < 6; i++) {
    *--sp = nullptr;
  }
  t.stack_pointer = sp;
}
#else
#error "the host shim switches stacks on x86-64 only"
#endif

void to_scheduler() { shim_switch(&static_cast<Thread*>(current)->stack_pointer, scheduler_stack_pointer); }

// The running fibre stands at a barrier or is done: the next lane of its warp runs, after the last one the scheduler.
void next_turn() {
  if (turns.empty()) {
    to_scheduler();
    return;
  }
  void** save = &static_cast<Thread*>(current)->stack_pointer;
  Thread* next = turns.back();
  turns.pop_back();
  current = next;
  shim_switch(save, next->stack_pointer);
}

void enter() {
  running->invoke(running->function, running_args);
  static_cast<Thread*>(current)->state = State::kDone;
  next_turn();
  abort();  // a finished fibre is never resumed
}

// Lets all lanes of a warp run, each until it stands at a barrier or is done.
void run_round(int first, const std::vector<int>& lanes) {
  turns.clear();
  for (size_t i = lanes.size(); i-- > 0;) {
    if (first + lanes[i] < (int)threads.size()) {
      turns.push_back(&threads[first + lanes[i]]);
    }
  }
  Thread* leader = turns.back();
  turns.pop_back();
  current = leader;
  shim_switch(&scheduler_stack_pointer, leader->stack_pointer);
}

// ---- the scheduler

bool record_failure(const std::string& what) {
  if (!failed) {
    failed = true;
    error = std::string(running->name) + ": " + what;
  }
  return false;
}

std::string where(const Thread& t) {
  char text[512];
  const char* doing = t.state == State::kDone          ? "has finished"
                      : t.state == State::kAtWarpBarrier ? "waits at a warp's"
                                                         : "waits at a block's";
  if (t.state == State::kDone) {
    snprintf(text, sizeof text, "thread %u of block (%u, %u, %u) %s", t.thread.x, block_index.x, block_index.y,
             block_index.z, doing);
  } else {
    const char* file = strrchr(t.site.file, '/');
    snprintf(text, sizeof text, "thread %u of block (%u, %u, %u) %s %s:%d", t.thread.x, block_index.x, block_index.y,
             block_index.z, doing, file ? file + 1 : t.site.file, t.site.line);
  }
  return text;
}

bool same_place(const Thread& a, const Thread& b) {
  return a.state == b.state && (a.state == State::kDone || (a.site.line == b.site.line && a.site.file == b.site.file));
}

// Runs one warp until its lanes wait for the block or are done.
bool run_warp(int warp, const std::vector<int>& lanes) {
  int first = warp * kWarp;
  for (;;) {
    run_round(first, lanes);
    if (failed) {
      return false;
    }
    Thread& leader = threads[first];
    for (int lane = 1; lane < kWarp && first + lane < (int)threads.size(); lane++) {
      if (!same_place(leader, threads[first + lane])) {
        return record_failure("a divergent barrier: " + where(leader) + ", " + where(threads[first + lane]));
      }
    }
    if (leader.state != State::kAtWarpBarrier) {
      return true;
    }
  }
}

std::vector<int> order(int count, unsigned schedule) {
  std::vector<int> out(count);
  std::iota(out.begin(), out.end(), 0);
  if (schedule == 1) {
    for (int i = 0; i < count; i++) {
      out[i] = count - 1 - i;
    }
  } else if (schedule > 1) {
    uint64_t state = schedule;
    for (int i = count - 1; i > 0; i--) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      std::swap(out[i], out[(state >> 33) % (i + 1)]);
    }
  }
  return out;
}

bool check_guards() {
  for (const Piece& p : pieces) {
    for (size_t i = 0; i < kGuardBytes; i++) {
      if (p.at[p.bytes + i] != kGuard) {
        return record_failure("wrote " + std::to_string(i) + " bytes behind " + std::to_string(p.bytes) +
                              " bytes of shared memory");
      }
    }
  }
  return true;
}

void* take_shared(const void* declaration, size_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  if (shared_used + bytes + kGuardBytes > kSharedBytes) {
    fail("%zu bytes of shared memory are more than any device has", shared_used + bytes);
  }
  unsigned char* at = shared_memory + shared_used;
  memset(at, 0xff, bytes);
  memset(at + bytes, kGuard, kGuardBytes);
  shared_used += bytes + kGuardBytes;
  pieces.push_back({declaration, at, bytes});
  return at;
}

bool run_block(unsigned schedule) {
  pieces.clear();
  shared_used = 0;
  for (Thread& t : threads) {
    t.state = State::kReady;
    t.collectives = 0;
    t.copies.clear();
    t.group = 0;
    prepare_stack(t);
  }
  if (dynamic_bytes > 0) {
    take_shared(&dynamic_bytes, dynamic_bytes);
  }
  int warps = (int)(threads.size() + kWarp - 1) / kWarp;
  std::vector<int> lanes = order(kWarp, schedule);
  std::vector<int> warp_order = order(warps, schedule);
  for (;;) {
    for (int warp : warp_order) {
      if (!run_warp(warp, lanes)) {
        return false;
      }
    }
    for (Thread& t : threads) {
      if (!same_place(threads[0], t)) {
        return record_failure("a divergent barrier: " + where(threads[0]) + ", " + where(t));
      }
    }
    if (threads[0].state == State::kDone) {
      return check_guards();
    }
  }
}

bool prepare(unsigned block) {
  if (shared_memory == nullptr) {
    shared_memory = static_cast<unsigned char*>(aligned_alloc(1024, kSharedBytes));
  }
  // Stacks are kept for the next launch: mapping them takes longer than most kernels do.
  while (stacks.size() < block) {
    void* memory = mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return false;
    }
    mprotect(memory, kPage, PROT_NONE);
    stacks.push_back(static_cast<char*>(memory) + kPage);
  }
  threads.resize(block);
  for (size_t i = 0; i < block; i++) {
    Thread& t = threads[i];
    t.stack = stacks[i];
    t.thread = {(unsigned)i, 0, 0};
    t.lane = (int)i % kWarp;
    t.warp = (int)i / kWarp;
  }
  slots_of_all.assign((block + kWarp - 1) / kWarp * 2 * kWarp * kSlotBytes, 0);
  exchange_slots = slots_of_all.data();
  return true;
}

void stop(State state, Site site, unsigned mask) {
  Thread& t = *static_cast<Thread*>(current);
  t.state = state;
  t.site = site;
  t.mask = mask;
  next_turn();
}

const Kernel* find(const char* name) {
  for (Kernel* k = kernels; k != nullptr; k = k->next) {
    if (strcmp(k->name, name) == 0) {
      return k;
    }
  }
  return nullptr;
}

}  // namespace

void add(Kernel* kernel) {
  kernel->next = kernels;
  kernels = kernel;
}

void block_barrier(Site site) { stop(State::kAtBlockBarrier, site, ~0u); }

void warp_barrier(Site site, unsigned mask) {
  if (mask != ~0u) {
    fail("a shuffle of part of a warp (mask %08x)", mask);
  }
  stop(State::kAtWarpBarrier, site, mask);
}

void fail(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char prefix[96];
  snprintf(prefix, sizeof prefix, "thread %u of block (%u, %u, %u): ", current->thread.x, block_index.x, block_index.y,
           block_index.z);
  record_failure(std::string(prefix) + text);
  to_scheduler();
  abort();  // a failed fibre is never resumed
}

void* shared(const void* declaration, size_t bytes) {
  for (const Piece& p : pieces) {
    if (p.declaration == declaration) {
      return p.at;
    }
  }
  return take_shared(declaration, bytes);
}

void* dynamic_shared() {
  if (dynamic_bytes == 0) {
    fail("dynamic shared memory was not asked for at the launch");
  }
  return shared_memory;
}

void check_shared(const void* p, size_t bytes) {
  auto* at = static_cast<const unsigned char*>(p);
  for (const Piece& piece : pieces) {
    if (at >= piece.at && at + bytes <= piece.at + piece.bytes) {
      return;
    }
  }
  fail("%zu bytes at %p are not in shared memory", bytes, p);
}

unsigned long long bank_conflicts;

void load_matrices(unsigned (&r)[4], const void* row, bool transposed, Site site) {
  check_aligned(row, 16);
  check_shared(row, 16);
  auto rows = gather(static_cast<const unsigned char*>(row), site);
  int g = current->lane / 4;
  int t = current->lane % 4;
  for (int m = 0; m < 4; m++) {
    unsigned short low, high;
    memcpy(&low, rows[8 * m + (transposed ? 2 * t : g)] + 2 * (transposed ? g : 2 * t), 2);
    memcpy(&high, rows[8 * m + (transposed ? 2 * t + 1 : g)] + 2 * (transposed ? g : 2 * t + 1), 2);
    r[m] = low | (unsigned)high << 16;
  }
  // A row is 4 of the 32 banks.
  for (int i = current->lane / 8 * 8; i < current->lane; i++) {
    bank_conflicts += rows[i] != row && reinterpret_cast<uintptr_t>(rows[i]) / 16 % 8 ==
                                            reinterpret_cast<uintptr_t>(row) / 16 % 8;
  }
}

namespace {

void arrive(const AsyncCopy& c) {
  memcpy(c.to, c.from, c.read);
  memset(static_cast<char*>(c.to) + c.read, 0, c.bytes - c.read);
}

}  // namespace

void copy_async(void* to, const void* from, unsigned read, unsigned bytes) {
  check_aligned(to, bytes);
  check_shared(to, bytes);
  if (read > 0) {
    check_aligned(from, bytes);
  }
  Thread& t = *static_cast<Thread*>(current);
  AsyncCopy copy = {to, from, read, bytes, t.group};
  if (copies_at_once) {
    arrive(copy);
  } else {
    t.copies.push_back(copy);
  }
}

void copy_async_commit() { static_cast<Thread*>(current)->group++; }

void copy_async_wait(unsigned groups) {
  Thread& t = *static_cast<Thread*>(current);
  size_t arrived = 0;
  while (arrived < t.copies.size() && t.copies[arrived].group + groups < t.group) {
    arrive(t.copies[arrived++]);
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + (long)arrived);
}

}  // namespace shim

// ---- the C interface

#define EXPORT extern "C" __attribute__((visibility("default")))

// The kernel of that name, or null.
EXPORT const void* assay_host_kernel(const char* name) { return shim::find(name); }

// Block size that the kernel was compiled for, and its number of parameters.
EXPORT unsigned assay_host_block(const void* kernel) { return static_cast<const shim::Kernel*>(kernel)->block; }

EXPORT int assay_host_parameters(const void* kernel) { return static_cast<const shim::Kernel*>(kernel)->parameters; }

// Names of all kernels, one after the other: call with index 0, 1, … until null.
EXPORT const char* assay_host_name(int index) {
  const shim::Kernel* k = shim::kernels;
  for (; k != nullptr && index > 0; index--) {
    k = k->next;
  }
  return k == nullptr ? nullptr : k->name;
}

// See shim::bank_conflicts.
EXPORT unsigned long long assay_host_bank_conflicts() { return shim::bank_conflicts; }

// Runs a kernel to its end. Returns 0, or 1 with a text in `message`.
EXPORT int assay_host_launch(const void* kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block,
                                 unsigned dynamic_shared_bytes, void** args, unsigned schedule, char* message,
                                 size_t message_bytes) {
  using namespace shim;
  std::lock_guard<std::mutex> lock(launch_mutex);
  running = static_cast<const Kernel*>(kernel);
  running_args = args;
  failed = false;
  copies_at_once = schedule % 2 == 0;
  if (block != running->block) {
    record_failure("launched with " + std::to_string(block) + " threads a block, compiled for " +
                   std::to_string(running->block));
  } else if (!prepare(block)) {
    record_failure("no memory for the stacks");
  } else {
    dynamic_bytes = dynamic_shared_bytes;
    block_size = {block, 1, 1};
    grid_size = {grid_x, grid_y, grid_z};
    for (unsigned z = 0; z < grid_z && !failed; z++) {
      for (unsigned y = 0; y < grid_y && !failed; y++) {
        for (unsigned x = 0; x < grid_x && !failed; x++) {
          block_index = {x, y, z};
          run_block(schedule);
        }
      }
    }
  }
  if (failed) {
    snprintf(message, message_bytes, "%s", error.c_str());
  }
  return failed ? 1 : 0;
}
