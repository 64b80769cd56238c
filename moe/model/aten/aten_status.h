// LibTorch's exceptions as statuses, at the edge of moe/model/aten.

#ifndef MOE_MODEL_ATEN_ATEN_STATUS_H_
#define MOE_MODEL_ATEN_ATEN_STATUS_H_

#include "absl/status/status.h"

namespace moe {

// What the exception that is being handled says; call it in a `catch (...)`.
// ResourceExhausted, with what to do, where the device's or the host's memory
// is used up; Unavailable where CUDA reports an error; Internal otherwise.
absl::Status AtenExceptionStatus();

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_STATUS_H_
