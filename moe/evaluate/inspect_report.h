// Formats an inspection, for a person and for a program.

#ifndef MOE_EVALUATE_INSPECT_REPORT_H_
#define MOE_EVALUATE_INSPECT_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/evaluate/inspect.h"

namespace moe::evaluate {

// A table: what it is, the configuration, sizes, groups of layers, files. With
// `list_tensors`, every tensor too, in the order of the data.
std::string FormatInspection(const Inspection& inspection, bool list_tensors);

// The same for programs, with fields in a fixed order. Fields that do not apply
// (the MoE's of a dense checkpoint) are absent.
base::Json InspectionToJson(const Inspection& inspection, bool list_tensors);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_INSPECT_REPORT_H_
