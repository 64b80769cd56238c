// Makes the AtenModel of a checkpoint.

#ifndef MOE_MODEL_ATEN_ATEN_MODEL_H_
#define MOE_MODEL_ATEN_ATEN_MODEL_H_

#include "moe/base/check.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/layer/checkpoint_weights.h"

namespace moe::model {

// The checkpoint must be dense and outlive the result.
inline AtenModel AtenModelOf(const checkpoint::Checkpoint& checkpoint) {
  MOE_CHECK(checkpoint.dense_config() != nullptr);
  return {*checkpoint.dense_config(),
          [&checkpoint](const checkpoint::TensorName& name) {
            return ReadWeight(checkpoint, name);
          }};
}

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_MODEL_H_
