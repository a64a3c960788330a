"""Vectors of lanes as values inside numba functions, where LLVM does not vectorise loops over rows.

An amplitude of a real state is one vector of 16 lanes. An amplitude of a complex state is one vector of 32: the real
parts of the 16 lanes, then their imaginary parts. Kernels are written once for both; the number of dimensions of the
state array, `(amplitudes, 16)` or `(amplitudes, 2, 16)`, tells the compiler which it is.
"""

from __future__ import annotations

import operator
import platform
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload, register_model

LANES: Final = 16


class Vector(types.Type):
    """Numba type of `width` floats in vector registers."""

    def __init__(self, dtype: Any, width: int) -> None:
        self.dtype = dtype
        self.width = width
        super().__init__(name=f"Vector({dtype}, {width})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Represents a vector as an LLVM vector."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.width))


def _vector_of(array: Any) -> Vector:
    if not isinstance(array, types.Array) or array.ndim not in (2, 3) or array.layout != "C":
        raise TypingError("amplitudes live in C-ordered arrays (n, 16) or (n, 2, 16)")
    return Vector(array.dtype, LANES * (array.ndim - 1))


def _address(context: Any, builder: Any, array_type: Any, arguments: Any, vector: Vector) -> Any:
    array, index = arguments[:2]
    data = context.make_array(array_type)(context, builder, array).data
    element = builder.gep(data, [builder.mul(index, index.type(vector.width))])
    return builder.bitcast(element, context.get_value_type(vector).as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Return `array[index]` as a vector."""
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _address(context, builder, signature.args[0], arguments, vector)
        return builder.load(place, align=vector.dtype.bitwidth // 8)

    return vector(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Set `array[index] = value`."""
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _address(context, builder, signature.args[0], arguments, vector)
        builder.store(arguments[2], place, align=vector.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def zeros(typing_context: Any, array: Any) -> Any:
    """Return a vector of zeros, of the width of the amplitudes in `array`."""
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(array), generate


@intrinsic
def broadcast(typing_context: Any, value: Any) -> Any:
    """Return a float on all 16 lanes."""
    vector = Vector(value, LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(vector)
        single = builder.insert_element(ir.Constant(kind, ir.Undefined), arguments[0], _i32(0))
        return _shuffle(builder, single, single, [0] * LANES)

    return vector(value), generate


def _arithmetic(name: str) -> Any:
    @intrinsic
    def operation(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            # `contract` lets the processor multiply and add in one instruction
            return getattr(builder, name)(*arguments, flags=("contract",))

        return left(left, right), generate

    return operation


_add, _subtract, _multiply = _arithmetic("fadd"), _arithmetic("fsub"), _arithmetic("fmul")


@overload(operator.add, strict=False)
@overload(operator.iadd, strict=False)
def _vector_add(left: Any, right: Any) -> Any:
    if isinstance(left, Vector) and left == right:
        return lambda left, right: _add(left, right)
    return None


@overload(operator.sub, strict=False)
def _vector_subtract(left: Any, right: Any) -> Any:
    if isinstance(left, Vector) and left == right:
        return lambda left, right: _subtract(left, right)
    return None


@overload(operator.mul, strict=False)
def _vector_multiply(left: Any, right: Any) -> Any:
    if isinstance(left, Vector) and left == right:
        return lambda left, right: _multiply(left, right)
    return None


@intrinsic
def like(typing_context: Any, lanes: Any, amplitude: Any) -> Any:
    """Return 16 real numbers as factors of an amplitude: for real parts and, in a complex state, imaginary parts."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _shuffle(builder, arguments[0], arguments[0], list(range(LANES)) * (amplitude.width // LANES))

    return amplitude(lanes, amplitude), generate


@intrinsic
def times_i(typing_context: Any, amplitude: Any) -> Any:
    """Return `i` times an amplitude; 0 in real arithmetic, which keeps only real parts."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        if amplitude.width == LANES:
            return ir.Constant(value.type, None)
        negated = builder.fneg(value)
        return _shuffle(builder, value, negated, [*range(3 * LANES, 4 * LANES), *range(LANES)])

    return amplitude(amplitude), generate


@intrinsic
def real_part(typing_context: Any, product: Any) -> Any:
    """Return 16 lanes of re + im: of `conj(a) b` from the elementwise product of the vectors a and b."""
    vector = Vector(product.dtype, LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        if product.width == LANES:
            return value
        halves = [_shuffle(builder, value, value, list(range(s, s + LANES))) for s in (0, LANES)]
        return builder.fadd(*halves, flags=("contract",))

    return vector(product), generate


def _exchange(bit: int) -> Any:
    @intrinsic
    def operation(typing_context: Any, amplitude: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (value,) = arguments
            return _shuffle(builder, value, value, [lane ^ bit for lane in range(amplitude.width)])

        return amplitude(amplitude), generate

    return operation


# the value of each lane comes from the lane whose index differs in one bit
exchange_1, exchange_2, exchange_4, exchange_8 = (_exchange(bit) for bit in (1, 2, 4, 8))


@intrinsic
def total(typing_context: Any, lanes: Any) -> Any:
    """Return the sum over 16 lanes, a float."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        for bit in (8, 4, 2, 1):
            value = builder.fadd(value, _shuffle(builder, value, value, [lane ^ bit for lane in range(LANES)]))
        return builder.extract_element(value, _i32(0))

    return lanes.dtype(lanes), generate


@intrinsic
def count_ones(typing_context: Any, number: Any) -> Any:
    """Return the number of bits set in an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(*arguments)

    return types.intp(types.intp), generate


@intrinsic
def flush_denormals(typing_context: Any) -> Any:
    """Make the processor treat denormal numbers, at which it is many times slower, as 0.

    Returns the previous mode, for `restore_denormals`. Products of many small amplitudes become denormal.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mode = cgutils.alloca_once(builder, cgutils.int32_t)
        builder.store(_i32(0), mode)
        _control_register(builder, "stmxcsr", mode)
        before = builder.load(mode)
        builder.store(builder.or_(before, _i32(0x8040)), mode)
        _control_register(builder, "ldmxcsr", mode)
        return before

    return types.int32(), generate


@intrinsic
def restore_denormals(typing_context: Any, before: Any) -> Any:
    """Undo `flush_denormals`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mode = cgutils.alloca_once_value(builder, arguments[0])
        _control_register(builder, "ldmxcsr", mode)
        return context.get_dummy_value()

    return types.void(types.int32), generate


def _control_register(builder: Any, instruction: str, place: Any) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        return  # elsewhere denormal numbers are merely slow
    pointer = builder.bitcast(place, cgutils.voidptr_t)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{instruction}")
    builder.call(function, [pointer])


def _i32(number: int) -> Any:
    return cgutils.int32_t(number)


def _shuffle(builder: Any, left: Any, right: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(cgutils.int32_t, len(places)), places))
