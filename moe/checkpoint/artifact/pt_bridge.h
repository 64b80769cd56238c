// `.pt` files: what Python's torch.save writes and torch.load reads.
//
// LibTorch writes them, in the plugin of moe/base/torch_plugin.h. It does not
// read them: pt_pickle.h and zip_directory.h say why.

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe {

// What a file that torch.save wrote holds: ints, floats, lists and tuples,
// dicts, dense tensors (contiguous here, from whatever device). All of it in
// memory. Unimplemented for other objects and for the format from before
// PyTorch 1.6, and for compressed records; DataLoss for an archive that is cut
// short or does not hold together, InvalidArgument for one that is no such
// file. Every error names the path. The archive's checksums are not looked at,
// as PyTorch does not.
absl::StatusOr<PtValue> ReadPtFile(absl::string_view path);

// Writes `value` to `path` atomically, so that torch.load opens it with its
// defaults (weights_only) as plain ints, floats, lists, dicts and tensors. The
// bytes are a function of the value and the LibTorch release. Tensors of BF16,
// F16, F32, F64, I64, I32, I16, I8, U8 and Bool; Unimplemented for others.
// AlreadyExists if the file exists and `overwrite` is not set; the errors of
// MOE_TORCH_FUNCTION.
absl::Status WritePtFile(const PtValue& value, absl::string_view path,
                         bool overwrite);

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_
