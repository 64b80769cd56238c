#include "moe/gates/testing/balanced_assignment_reference.h"

#include <glpk.h>

#include <cstdint>
#include <memory>

#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/gates/balanced_assignment.h"

namespace moe::gates::reference {
namespace {

// GLPK counts from 1, and an equal bound has a type of its own.
void SetRow(glp_prob* problem, int row, double lower, double upper) {
  glp_set_row_bnds(problem, row, lower == upper ? GLP_FX : GLP_DB, lower,
                   upper);
}

}  // namespace

double LeastCost(base::MatrixView<const float> costs,
                 const SizeBounds& bounds) {
  const std::unique_ptr<glp_prob, void (*)(glp_prob*)> problem(
      glp_create_prob(), glp_delete_prob);
  const auto num_tokens = static_cast<int>(costs.rows);
  const auto num_clusters = static_cast<int>(costs.cols);
  glp_set_obj_dir(problem.get(), GLP_MIN);
  glp_add_rows(problem.get(), num_tokens + num_clusters);
  glp_add_cols(problem.get(), num_tokens * num_clusters);
  for (int t = 0; t < num_tokens; ++t) SetRow(problem.get(), 1 + t, 1, 1);
  for (int e = 0; e < num_clusters; ++e) {
    SetRow(problem.get(), 1 + num_tokens + e,
           static_cast<double>(bounds.min_size),
           static_cast<double>(bounds.max_size));
  }
  for (int t = 0; t < num_tokens; ++t) {
    for (int e = 0; e < num_clusters; ++e) {
      const int col = 1 + t * num_clusters + e;
      const int rows[] = {0, 1 + t, 1 + num_tokens + e};
      const double ones[] = {0, 1, 1};
      glp_set_mat_col(problem.get(), col, 2, rows, ones);
      glp_set_col_bnds(problem.get(), col, GLP_LO, 0, 0);
      glp_set_obj_coef(problem.get(), col, costs.RowData(t)[e]);
    }
  }
  glp_smcp parameters;
  glp_init_smcp(&parameters);
  parameters.msg_lev = GLP_MSG_OFF;
  MOE_CHECK(glp_simplex(problem.get(), &parameters) == 0);
  MOE_CHECK(glp_get_status(problem.get()) == GLP_OPT);
  return glp_get_obj_val(problem.get());
}

}  // namespace moe::gates::reference
