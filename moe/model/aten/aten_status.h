// Turns LibTorch's exceptions into statuses at the edge of moe/model/aten.

#ifndef MOE_MODEL_ATEN_ATEN_STATUS_H_
#define MOE_MODEL_ATEN_ATEN_STATUS_H_

#include "absl/status/status.h"

namespace moe::model {

// The status of the exception that is being handled. Call it in a `catch
// (...)`. ResourceExhausted, with what to do, if the memory of the device or
// the host is used up; Unavailable if CUDA reports an error; otherwise
// Internal.
absl::Status AtenExceptionStatus();

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_STATUS_H_
