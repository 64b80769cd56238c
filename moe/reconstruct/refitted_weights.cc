#include "moe/reconstruct/refitted_weights.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/spill_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::reconstruct {

absl::StatusOr<RefittedWeights> RefittedWeights::Create(
    absl::string_view directory, int64_t most_bytes) {
  MOE_ASSIGN_OR_RETURN(
      base::SpillFile file,
      base::SpillFile::Create(directory, static_cast<uint64_t>(most_bytes)));
  return RefittedWeights(std::move(file));
}

absl::Status RefittedWeights::Put(const checkpoint::TensorName& name,
                                  absl::string_view bytes) {
  const auto [place, is_new] = places_.emplace(
      checkpoint::FormatTensorName(name), Place{end_, bytes.size()});
  MOE_CHECK(is_new);
  end_ += bytes.size();
  return file_.Write(place->second.offset, bytes);
}

bool RefittedWeights::Has(const checkpoint::TensorName& name) const {
  return places_.find(checkpoint::FormatTensorName(name)) != places_.end();
}

absl::StatusOr<std::string> RefittedWeights::Read(
    const checkpoint::TensorName& name) const {
  const Place& place = places_.at(checkpoint::FormatTensorName(name));
  std::string bytes(place.num_bytes, '\0');
  MOE_RETURN_IF_ERROR(file_.Read(place.offset, absl::MakeSpan(bytes)));
  return bytes;
}

}  // namespace moe::reconstruct
