#include "moe/model/walk/embedding.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"

namespace moe::model {

absl::Status EmbedTokens(const checkpoint::Checkpoint& checkpoint,
                         absl::Span<const int32_t> input_ids,
                         base::MatrixView<float> out) {
  MOE_CHECK(out.rows == static_cast<int64_t>(input_ids.size()));
  const checkpoint::TensorName name = {checkpoint::TensorKind::kEmbedding,
                                       /*layer=*/-1, /*expert=*/-1,
                                       /*is_bias=*/false};
  // Reads each row once, in the order of the file.
  std::vector<size_t> tokens(input_ids.size());
  std::iota(tokens.begin(), tokens.end(), size_t{0});
  std::sort(tokens.begin(), tokens.end(),
            [&](size_t a, size_t b) { return input_ids[a] < input_ids[b]; });
  for (size_t i = 0; i < tokens.size(); ++i) {
    const absl::Span<float> row = out.Row(static_cast<int64_t>(tokens[i]));
    if (i > 0 && input_ids[tokens[i]] == input_ids[tokens[i - 1]]) {
      const absl::Span<const float> same =
          out.Row(static_cast<int64_t>(tokens[i - 1]));
      std::copy(same.begin(), same.end(), row.begin());
      continue;
    }
    const int32_t id = input_ids[tokens[i]];
    MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor stored,
                         ReadWeightRows(checkpoint, name, id, int64_t{id} + 1));
    checkpoint::WeightsToFloat(stored.dtype, stored.bytes, row);
  }
  return absl::OkStatus();
}

}  // namespace moe::model
