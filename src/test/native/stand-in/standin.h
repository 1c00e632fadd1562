// What the stand-in libraries share: the device's memory and the queue of its streams. They imitate, for tests alone,
// the calls of NVIDIA's libraries that Assay makes; where a call is wrong they say so instead of doing something.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace standin {

// CUresult
constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotInitialized = 3;
constexpr int kNoDevice = 100;
constexpr int kInvalidDevice = 101;
constexpr int kInvalidContext = 201;
constexpr int kNoBinaryForGpu = 209;
constexpr int kInvalidPtx = 218;
constexpr int kUnsupportedPtxVersion = 222;
constexpr int kInvalidHandle = 400;
constexpr int kNotFound = 500;
constexpr int kNotReady = 600;
constexpr int kIllegalAddress = 700;
constexpr int kLaunchFailed = 719;
constexpr int kCaptureUnsupported = 900;
constexpr int kCaptureInvalidated = 901;

struct Stream;

// Whether [address, address + bytes) lies inside of one live allocation.
bool is_device_range(uint64_t address, size_t bytes);

// Puts work at the end of a stream, or into the graph that it captures. The work returns a CUresult; one other than
// success is what every later call gets. Returns what the call itself returns.
int enqueue(void* stream, std::function<int()> work);

// Prints a line that begins with STAND-IN.
void say(const char* format, ...);

// The status that a test has ordered for the next calls of this function, or 0.
int ordered_failure(const char* function);

// Objects that a program must give back.
void count_object(int delta);

// Bytes in live allocations, and bytes of the imagined device.
size_t live_bytes();
size_t used_bytes();
size_t total_bytes();

// Marks scratch memory as undefined: fills it with 0xFF.
void poison(uint64_t address, size_t bytes);

}  // namespace standin
