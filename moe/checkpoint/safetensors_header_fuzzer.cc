// Any bytes as a safetensors file: parsed or refused, never a crash; and what
// is parsed is written and parsed again to the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view file(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<uint64_t> header_bytes =
      moe::checkpoint::ParseSafetensorsHeaderSize(file.substr(0, 8), size);
  if (!header_bytes.ok()) return 0;
  const absl::StatusOr<moe::checkpoint::SafetensorsHeader> header =
      moe::checkpoint::ParseSafetensorsHeader(file.substr(8, *header_bytes),
                                              size);
  if (!header.ok()) return 0;
  std::vector<moe::checkpoint::TensorSpec> specs;
  for (const moe::checkpoint::SafetensorsTensor& tensor : header->tensors) {
    specs.push_back(tensor.spec);
  }
  const std::string text =
      moe::checkpoint::FormatSafetensorsHeader(specs, header->metadata);
  const uint64_t data_bytes = size - header->data_offset;
  const absl::StatusOr<moe::checkpoint::SafetensorsHeader> again =
      moe::checkpoint::ParseSafetensorsHeader(absl::string_view(text).substr(8),
                                              text.size() + data_bytes);
  MOE_CHECK(again.ok());
  MOE_CHECK(again->tensors.size() == specs.size());
  MOE_CHECK(again->metadata == header->metadata);
  return 0;
}
