// Any bytes as the pickle of a .pt file: parsed or refused, never a crash; and
// what is parsed is no more than a file of that size justifies.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/checkpoint/artifact/pt_pickle.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

constexpr uint64_t kStorageBytes = 24;

// What a walk through the whole value meets.
void Count(const PtValue& value, PtLimits& seen) {
  ++seen.num_values;
  if (const auto* const tensor = value.As<HostTensor>()) {
    MOE_CHECK(tensor->bytes.size() <= kStorageBytes);
    seen.data_bytes += static_cast<int64_t>(tensor->bytes.size());
  } else if (const auto* const ints = value.As<PtInts>()) {
    seen.data_bytes += static_cast<int64_t>(ints->size() * sizeof(int64_t));
  } else if (const auto* const list = value.As<PtList>()) {
    for (const PtValue& item : *list) Count(item, seen);
  } else if (const auto* const dict = value.As<PtDict>()) {
    for (const PtEntry& entry : dict->entries) Count(entry.value, seen);
  }
}

void ParseAny(absl::string_view pickle) {
  PtLimits limits = PtLimitsOf(pickle.size(), pickle.size() + kStorageBytes);
  // Fewer than a file may have, as the walk below takes time.
  limits.num_values = 1000;
  const absl::StatusOr<PtValue> value = ParsePtPickle(
      pickle,
      [](absl::string_view) { return std::string(kStorageBytes, '\1'); },
      limits);
  if (!value.ok()) return;
  PtLimits seen;
  Count(*value, seen);
  MOE_CHECK(seen.num_values <= limits.num_values);
  MOE_CHECK(seen.data_bytes <= limits.data_bytes);
}

}  // namespace
}  // namespace moe::checkpoint

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moe::checkpoint::ParseAny(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
