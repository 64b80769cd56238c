// The order in which a person lists tensors: "layers.2" before "layers.10".

#ifndef MOE_EVALUATE_NATURAL_ORDER_H_
#define MOE_EVALUATE_NATURAL_ORDER_H_

#include "absl/strings/string_view.h"

namespace moe {

// A strict total order: runs of decimal digits compare as numbers, of whatever
// length, everything else as bytes; what ties ("7" and "07") compares as bytes.
bool NaturalLess(absl::string_view a, absl::string_view b);

// NaturalLess, for ordered containers.
struct NaturalOrder {
  bool operator()(absl::string_view a, absl::string_view b) const {
    return NaturalLess(a, b);
  }
};

}  // namespace moe

#endif  // MOE_EVALUATE_NATURAL_ORDER_H_
