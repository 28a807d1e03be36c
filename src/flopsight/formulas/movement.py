"""Operators that do no arithmetic: they view, copy, place, allocate or ask, and cost zero by definition."""

from __future__ import annotations

from flopsight.formulas.registry import zero


def _declare(reason: str, names: str, namespace: str = "aten") -> None:
    zero(reason, *(f"{namespace}::{name}" for name in names.split()), family="movement")


_declare(
    "a view: the same memory under another shape",
    """
    _conj _fw_primal _make_dual _neg_view _nested_get_values _nested_view_from_buffer _nested_view_from_jagged
    _reshape_alias _test_autograd_multiple_dispatch_view _unpack_dual _unsafe_view adjoint alias as_strided atleast_1d
    atleast_2d atleast_3d broadcast_tensors broadcast_to chunk data detach diagonal dsplit expand expand_as flatten
    hsplit imag linalg_diagonal mH mT matrix_H moveaxis movedim narrow numpy_T permute positive ravel real reshape
    reshape_as select slice slice_inverse split split_with_sizes squeeze swapaxes swapdims t tensor_split transpose
    unbind unflatten unflatten_dense_tensors unfold unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view
    view_as view_as_complex view_as_real vsplit
    """,
)
_declare(
    "copies elements",
    """
    _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short _chunk_cat _conj_copy
    _copy_from _copy_from_and_resize _cudnn_rnn_flatten_weight _foreach_clone _foreach_copy _fw_primal_copy _lazy_clone
    _make_dual_copy _mkldnn_reshape _mkldnn_transpose _neg_view_copy _nested_get_values_copy
    _nested_view_from_buffer_copy _nested_view_from_jagged_copy _pin_memory _reshape_alias_copy _reshape_copy
    _reshape_from_tensor _stack _test_autograd_multiple_dispatch_view_copy _to_cpu alias_copy as_strided_copy block_diag
    cartesian_prod cat channel_shuffle clone column_stack combinations complex concat concatenate contiguous copy
    copy_sparse_to_sparse detach_copy diag diag_embed diagflat diagonal_copy dstack expand_copy flatten_dense_tensors
    flip fliplr flipud hstack im2col int_repr lift lift_fresh lift_fresh_copy lu_unpack meshgrid
    mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight narrow_copy native_channel_shuffle permute_copy pin_memory
    pixel_shuffle pixel_unshuffle repeat repeat_interleave resolve_conj resolve_neg roll rot90 row_stack select_copy
    set_data slice_copy split_copy split_with_sizes_copy squeeze_copy stack t_copy tile to_mkldnn to_mkldnn_backward
    transpose_copy unbind_copy unfold_copy unsqueeze_copy view_as_complex_copy view_as_real_copy view_copy vstack
    """,
)
_declare(
    "changes the element type and no value",
    """
    _autocast_to_full_precision _autocast_to_reduced_precision _saturate_weight_to_fp16 _to_copy chalf to type_as
    view.dtype
    """,
)
_declare(
    "copies elements to or from positions that are given",
    """
    _unsafe_index as_strided_scatter diagonal_backward diagonal_scatter fill_diagonal_ gather index index_copy
    index_fill index_select masked_scatter_backward select_backward select_scatter slice_backward slice_scatter take
    take_along_dim
    """,
)
_declare(
    "copies elements and fills the border",
    """
    _pack_padded_sequence _pad_circular _pad_enum _pad_packed_sequence constant_pad_nd pad pad_sequence reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d
    """,
)
_declare("keeps or clears elements by their position", "tril triu")
_declare(
    "allocates memory",
    """
    _efficientzerotensor _empty_affine_quantized _empty_per_channel_affine_quantized _resize_output empty empty_like
    empty_permuted empty_quantized empty_strided from_file new_empty new_empty_strided resize resize_as resize_as_sparse
    set sparse_resize sparse_resize_and_clear
    """,
)
_declare(
    "fills memory with one value",
    """
    _foreach_zero _new_zeros_with_same_feature_meta fill full full_like new_full new_ones new_zeros ones ones_like
    scalar_tensor zero zeros zeros_like
    """,
)
_declare(
    "generates constants from sizes alone",
    """
    _dim_arange arange bartlett_window blackman_window eye fft_fftfreq fft_rfftfreq hamming_window hann_window
    kaiser_window linspace logspace range tril_indices triu_indices
    """,
)
_declare(
    "asks for or sets something about a tensor, not its elements",
    """
    _backward _coalesced _cufft_clear_plan_cache _cufft_get_plan_cache_max_size _cufft_get_plan_cache_size
    _cufft_set_plan_cache_max_size _debug_has_internal_overlap _dimI _dimV _fused_sdp_choice
    _has_compatible_shallow_copy_type _has_same_storage_numel _is_zerotensor _local_scalar_dense
    _nested_get_jagged_dummy _nested_get_lengths _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_offsets
    _nested_get_ragged_idx _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides _nnpack_available
    _nnz _propagate_xla_data _shape_as_tensor _use_cudnn_ctc_loss _use_cudnn_rnn_flatten_weight _use_miopen_ctc_loss
    _version can_cast cudnn_is_acceptable dense_dim dim get_device is_coalesced is_complex is_conj is_contiguous
    is_distributed is_floating_point is_inference is_leaf is_neg is_pinned is_same_size is_set_to is_signed
    is_vulkan_available item numel output_nr promote_types q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qscheme record_stream requires_grad_ result_type retain_grad
    retains_grad size sparse_dim storage_offset stride sym_is_contiguous sym_numel sym_size sym_storage_offset
    sym_stride
    """,
)
_declare(
    "checks or prints, and computes nothing",
    """
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async _functional_assert_scalar
    _functional_sym_constrain_range _functional_sym_constrain_range_for_size _linalg_check_errors _make_dep_token _print
    _validate_compressed_sparse_indices _validate_sparse_bsc_tensor_args _validate_sparse_bsr_tensor_args
    _validate_sparse_compressed_tensor_args _validate_sparse_coo_tensor_args _validate_sparse_csc_tensor_args
    _validate_sparse_csr_tensor_args sym_constrain_range sym_constrain_range_for_size
    """,
)
_declare(
    "marks the dimension that a transform maps over",
    "_add_batch_dim _remove_batch_dim",
)
_declare(
    "views or lays out the parts of a nested or sparse tensor",
    """
    _indices _indices_copy _jagged_to_padded_dense_forward _make_per_channel_quantized_tensor
    _make_per_tensor_quantized_tensor _nested_compute_contiguous_strides_offsets _nested_from_padded
    _nested_from_padded_and_nested_example _nested_from_padded_tensor _nested_select_backward _nested_tensor_from_mask
    _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list _padded_dense_to_jagged_forward
    _sparse_broadcast_to _sparse_broadcast_to_copy _sparse_bsc_tensor_unsafe _sparse_bsr_tensor_unsafe
    _sparse_compressed_tensor_unsafe _sparse_compressed_tensor_with_dims _sparse_coo_tensor_unsafe
    _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors _sparse_csc_tensor_unsafe
    _sparse_csr_tensor_unsafe _spdiags _values _values_copy ccol_indices ccol_indices_copy col_indices col_indices_copy
    crow_indices crow_indices_copy indices indices_copy nested_to_padded_tensor row_indices row_indices_copy
    sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor sparse_csr_tensor
    to_padded_tensor values values_copy
    """,
)
_declare(
    "views, copies, fills or asks",
    """
    _make_token _sink_tokens as_strided as_strided_scatter broadcast_in_dim cat clone collapse collapse_view conj
    convert_element_type copy_strided copy_to device_put empty empty_permuted empty_strided fill full full_like imag
    iota item maximum_value minimum_value real reshape resize rev scalar_tensor split_dim squeeze transpose view_of
    view_of_dtype
    """,
    "prims",
)
_declare(
    "asks for something about a tensor, not its elements",
    """
    data device dtype is_cpu is_cuda is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_nested is_quantized is_sparse
    is_sparse_csr is_vulkan is_xla is_xpu itemsize layout name nbytes requires_grad
    """,
    "prim",
)
_declare(
    "marks a range of calls for PyTorch's profiler",
    "_record_function_enter _record_function_enter_new _record_function_exit",
    "profiler",
)
