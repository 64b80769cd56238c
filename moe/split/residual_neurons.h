// The neurons of the residual expert: those that most experts would want.

#ifndef MOE_SPLIT_RESIDUAL_NEURONS_H_
#define MOE_SPLIT_RESIDUAL_NEURONS_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"

namespace moe {

// `count` neurons, in the order in which they are chosen. Round after round:
// each expert lists its best `list_size` neurons of those that are not chosen
// yet (all of them, where there are fewer); of the neurons that stand in the
// most lists, those with the lowest indices are chosen, in ascending order, as
// many as are wanted. `ranking` is that of RankNeurons; `count` at most its
// columns.
//
// O(E I log I): a neuron enters each list once, for the lists are kept from
// round to round.
std::vector<int64_t> ChooseResidualNeurons(const Matrix<int32_t>& ranking,
                                           int64_t list_size, int64_t count);

}  // namespace moe

#endif  // MOE_SPLIT_RESIDUAL_NEURONS_H_
