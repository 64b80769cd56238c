#include "moe/kernels/simd/simd_target.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/kernels/simd/highway_targets.h"

// After the targets, whose list it reads.
#include "hwy/highway.h"

namespace moe::kernels {
namespace {

struct TargetInfo {
  SimdTarget target;
  absl::string_view name;
  int64_t highway_targets;  // Bits of HWY_TARGETS; 0 for the references.
};

// Widest first.
#if HWY_ARCH_X86
constexpr std::array<TargetInfo, 4> kTargets = {{
    {SimdTarget::kAvx512, "avx512", HWY_AVX3},
    {SimdTarget::kAvx2, "avx2", HWY_AVX2},
    {SimdTarget::kSse4, "sse4", HWY_SSE4},
    {SimdTarget::kScalar, "scalar", 0},
}};
#else
constexpr std::array<TargetInfo, 2> kTargets = {{
    {SimdTarget::kNeon, "neon", HWY_TARGETS},
    {SimdTarget::kScalar, "scalar", 0},
}};
#endif

constexpr int kNotChosen = -1;
std::atomic<int> active_target{kNotChosen};

// All names, also those of other architectures: MOE_SIMD_TARGET=sse4 is valid
// on an ARM machine, too.
constexpr std::array<std::pair<SimdTarget, absl::string_view>, 5> kNames = {{
    {SimdTarget::kAvx512, "avx512"},
    {SimdTarget::kAvx2, "avx2"},
    {SimdTarget::kSse4, "sse4"},
    {SimdTarget::kNeon, "neon"},
    {SimdTarget::kScalar, "scalar"},
}};

int64_t HighwayTargets(SimdTarget target) {
  for (const TargetInfo& info : kTargets) {
    if (info.target == target) return info.highway_targets;
  }
  return 0;
}

bool IsSupported(const TargetInfo& info) {
  return info.highway_targets == 0 ||
         (info.highway_targets & HWY_TARGETS & hwy::SupportedTargets()) != 0;
}

// Limits Highway's dispatch to `target`. The scalar code needs no dispatch.
void Activate(SimdTarget target) {
  if (target != SimdTarget::kScalar) {
    hwy::SetSupportedTargetsForTest(HighwayTargets(target) & HWY_TARGETS);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  active_target.store(static_cast<int>(target), std::memory_order_release);
}

}  // namespace

absl::string_view SimdTargetName(SimdTarget target) {
  for (const auto& [named, name] : kNames) {
    if (named == target) return name;
  }
  return "unknown";
}

std::vector<SimdTarget> SupportedSimdTargets() {
  // Evaluated once: later calls would see what Activate has left.
  static const std::vector<SimdTarget>* const supported = [] {
    auto* const targets = new std::vector<SimdTarget>;
    for (const TargetInfo& info : kTargets) {
      if (IsSupported(info)) targets->push_back(info.target);
    }
    return targets;
  }();
  return *supported;
}

absl::StatusOr<SimdTarget> SimdTargetFromEnvironment() {
  const std::vector<SimdTarget> supported = SupportedSimdTargets();
  const char* const text = std::getenv("MOE_SIMD_TARGET");
  if (text == nullptr || *text == '\0') return supported.front();
  for (const auto& [limit, name] : kNames) {
    if (name != text) continue;
    for (const SimdTarget target : supported) {
      if (target <= limit) return target;
    }
  }
  const auto append_name = [](std::string* out, const auto& named) {
    absl::StrAppend(out, named.second);
  };
  return absl::InvalidArgumentError(absl::StrCat(
      "MOE_SIMD_TARGET=", text, " in the environment: expected one of ",
      absl::StrJoin(kNames, ", ", append_name)));
}

SimdTarget ActiveSimdTarget() {
  const int active = active_target.load(std::memory_order_acquire);
  if (active != kNotChosen) return static_cast<SimdTarget>(active);
  const absl::StatusOr<SimdTarget> chosen = SimdTargetFromEnvironment();
  MOE_CHECK(chosen.ok());
  Activate(*chosen);
  return *chosen;
}

absl::Status SetSimdTarget(SimdTarget target) {
  for (const SimdTarget supported : SupportedSimdTargets()) {
    if (supported != target) continue;
    Activate(target);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("this machine has no SIMD target ", SimdTargetName(target)));
}

}  // namespace moe::kernels
