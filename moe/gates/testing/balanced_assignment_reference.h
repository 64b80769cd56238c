// The assignment of moe/gates/balanced_assignment.h by a solver of linear
// programs that somebody else wrote.

#ifndef MOE_GATES_TESTING_BALANCED_ASSIGNMENT_REFERENCE_H_
#define MOE_GATES_TESTING_BALANCED_ASSIGNMENT_REFERENCE_H_

#include "moe/base/matrix_view.h"
#include "moe/gates/balanced_assignment.h"

namespace moe::gates::reference {

// The least total cost, by GLPK's simplex method: the relaxation of a
// transportation problem has an optimum in integers.
double LeastCost(base::MatrixView<const float> costs, const SizeBounds& bounds);

}  // namespace moe::gates::reference

#endif  // MOE_GATES_TESTING_BALANCED_ASSIGNMENT_REFERENCE_H_
