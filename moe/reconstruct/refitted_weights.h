// The matrices that a reconstruction has refitted, as they will be stored. They
// wait in a spill file until the checkpoint is written.

#ifndef MOE_RECONSTRUCT_REFITTED_WEIGHTS_H_
#define MOE_RECONSTRUCT_REFITTED_WEIGHTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/spill_file.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::reconstruct {

class RefittedWeights {
 public:
  // With room for `most_bytes`. The errors of SpillFile.
  static absl::StatusOr<RefittedWeights> Create(absl::string_view directory,
                                                int64_t most_bytes);

  // Keeps the data of a tensor, which must be new.
  absl::Status Put(const checkpoint::TensorName& name, absl::string_view bytes);
  bool Has(const checkpoint::TensorName& name) const;
  // The data of a tensor that is there. Several threads may call it at once.
  absl::StatusOr<std::string> Read(const checkpoint::TensorName& name) const;

 private:
  explicit RefittedWeights(base::SpillFile file) : file_(std::move(file)) {}

  struct Place {
    uint64_t offset = 0;
    size_t num_bytes = 0;
  };
  base::SpillFile file_;
  uint64_t end_ = 0;
  std::map<std::string, Place> places_;  // By the tensor's name.
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_REFITTED_WEIGHTS_H_
