// A stand-in for libnvidia-ml.so.1. Its figures are recognisably none: 1 MHz, 1 W, 1 degree.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "standin.h"

using namespace standin;
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
constexpr int kOk = 0;
constexpr int kNotSupported = 3;
constexpr int kNotFoundError = 6;
constexpr int kTooSmall = 7;

struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;
};
struct Process {
  unsigned pid;
  unsigned long long used;
  unsigned instance, compute_instance;
};
}  // namespace

EXPORT int nvmlInit_v2() { return kOk; }
EXPORT int nvmlShutdown() { return kOk; }

EXPORT int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  snprintf(text, length, "stand-in");
  return kOk;
}

EXPORT int nvmlSystemGetNVMLVersion(char* text, unsigned length) {
  snprintf(text, length, "stand-in");
  return kOk;
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) {
  if (strcmp(id, "0000:01:00.0") != 0) {
    return kNotFoundError;
  }
  *device = reinterpret_cast<void*>(0x1);
  return kOk;
}

EXPORT int nvmlDeviceGetMemoryInfo(void*, Memory* m) {
  *m = {total_bytes(), total_bytes() - used_bytes(), used_bytes()};
  return kOk;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(void*, unsigned* count, Process* processes) {
  unsigned room = *count;
  *count = 1;
  if (room < 1) {
    return kTooSmall;
  }
  processes[0] = {(unsigned)getpid(), used_bytes(), 0, 0};
  return kOk;
}

EXPORT int nvmlDeviceGetClockInfo(void*, int, unsigned* mhz) {
  *mhz = 1;
  return kOk;
}

EXPORT int nvmlDeviceGetMaxClockInfo(void*, int, unsigned* mhz) {
  *mhz = 1;
  return kOk;
}

EXPORT int nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  *milliwatts = 1000;
  return kOk;
}

EXPORT int nvmlDeviceGetEnforcedPowerLimit(void*, unsigned* milliwatts) {
  *milliwatts = 1000;
  return kOk;
}

EXPORT int nvmlDeviceGetTemperature(void*, int, unsigned* degrees) {
  *degrees = 1;
  return kOk;
}

EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* reasons) {
  *reasons = 1;  // idle
  return kOk;
}

EXPORT int nvmlDeviceGetUtilizationRates(void*, Utilization* u) {
  *u = {0, 0};
  return kOk;
}

EXPORT int nvmlDeviceGetEccMode(void*, unsigned*, unsigned*) { return kNotSupported; }

EXPORT int nvmlDeviceGetMigMode(void*, unsigned*, unsigned*) { return kNotSupported; }
