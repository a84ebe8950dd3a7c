"""Nearest neighbours: a k-d tree whose leaves are blocks of points, and the nearest point of many small sets.

Distances that tie are told apart by index, so the result doesn't depend on the order in which points are visited.
Nothing is lost to rounding: the distance to a box is computed as that to a point, and every step of it (differences,
squares, sums) keeps the order of what goes in, so no point of a box is nearer than the box.
"""

import numpy as np

from i2pmae.kernels.compiled import inlined, kernel, spread

__all__ = ["knn"]

_BLOCK = 32
"""Points of a leaf, whose distances are computed together."""
_SMALL = 128
"""Up to so many points, the nearest one is found faster by comparing all (benchmarks/ops.py)."""
_QUERIES = 16
"""Queries per level of a tree for which building it takes as long as looking at all points."""


def knn(query: np.ndarray, points: np.ndarray, k: int, threads: int) -> np.ndarray:
    """Indices ``(b, m, k)`` of the neighbours of each query, in the order (squared distance, index).

    Query ``(b, m, 3)`` and points ``(b, n, 3)`` are contiguous and of one kind. The time grows with k², as lists of
    neighbours grow by insertion.
    """
    clouds, rows, number = len(query), query.shape[1], points.shape[1]
    found = np.empty((clouds, rows, k), np.int64)
    if k == 1 and number <= _SMALL:
        nearest = _nearest.of(points.dtype)
        spread(lambda *part: nearest(query, points, *part, found), clouds, threads, 1 + 100_000 // (1 + rows * number))
        return found
    tree = _tree(points, rows, threads)
    search = _search.of(points.dtype)

    def find(first: int, last: int) -> None:
        room = np.empty((2, max(k, _BLOCK)), points.dtype)
        search(query, first, last, number, *tree, room, room.view(f"i{points.itemsize}"), found)

    spread(find, clouds * rows, threads, 64)
    return found


def _tree(points: np.ndarray, queries: int, threads: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Depth, coordinates and indices of the points of leaves, boxes; for few queries, leaves in a row (depth 0)."""
    clouds, number, _ = points.shape
    depth = ((number - 1) // _BLOCK).bit_length()
    if queries <= _QUERIES * depth:
        depth = 0
    leaves = 1 << depth if depth else -(-number // _BLOCK)
    coordinates = np.empty((clouds, leaves, 3, _BLOCK), points.dtype)
    order = np.empty((clouds, leaves, _BLOCK), np.int32)
    boxes = np.empty((clouds, 2 << depth if depth else 0, 6), points.dtype)
    build = _build.of(points.dtype)
    spread(lambda *part: build(points, *part, depth, coordinates, order, boxes), clouds, threads, 1 + 5000 // number)
    return depth, coordinates, order, boxes


@kernel("void(F[:, :, ::1], i8, i8, i8, F[:, :, :, ::1], i4[:, :, ::1], F[:, :, ::1])")
def _build(points, first, last, depth, leaves, order, boxes):  # type: ignore[no-untyped-def]
    """Fills clouds ``first`` to ``last`` of a tree: coordinates and indices of the points of each leaf, and boxes.

    Node i has the children 2i and 2i + 1, node 1 has all points; those on level ``depth`` are the leaves, with equal
    numbers of points but for one. With depth 0 there are no boxes, and leaves hold the points in their order.
    """
    number = points.shape[1]
    axes, index = np.empty((3, number), leaves.dtype), np.empty(number, np.int32)
    for cloud in range(first, last):
        for i in range(number):
            index[i] = i
            axes[0, i], axes[1, i], axes[2, i] = points[cloud, i, 0], points[cloud, i, 1], points[cloud, i, 2]
        for level in range(depth + 1 if depth else 0):
            for place in range(1 << level):
                node = (1 << level) + place
                start, end = place * number >> level, (place + 1) * number >> level
                widest = _bound(axes, start, end, boxes[cloud, node])
                if level < depth:
                    _halve(axes, index, widest, start, end, (2 * place + 1) * number >> (level + 1))
        for leaf in range(order.shape[1]):
            start, end = leaf * _BLOCK, min((leaf + 1) * _BLOCK, number)
            if depth:
                start, end = leaf * number >> depth, (leaf + 1) * number >> depth
            for i in range(_BLOCK):
                filled = start + i < end
                order[cloud, leaf, i] = index[start + i] if filled else number
                for axis in range(3):
                    leaves[cloud, leaf, axis, i] = axes[axis, start + i] if filled else np.inf


@inlined
def _bound(axes, start, end, box):  # type: ignore[no-untyped-def]
    """Writes the smallest and largest coordinates (x, x, y, y, z, z); the axis along which they differ most."""
    widest, extent = 0, axes[0, 0] * 0
    for axis in range(3):
        low = high = axes[axis, start]
        for i in range(start, end):
            value = axes[axis, i]
            low = value if value < low else low
            high = value if value > high else high
        box[2 * axis], box[2 * axis + 1] = low, high
        if high - low > extent:
            widest, extent = axis, high - low
    return widest


@inlined
def _halve(axes, index, axis, start, end, middle):  # type: ignore[no-untyped-def]
    """Moves points so that none before ``middle`` lies beyond one after it (quickselect, Hoare's partition).

    Both scans stop at equal values, so duplicates are shared out, and at values that aren't comparable, so they end.
    """
    low, high = start, end - 1
    while low < high:
        a, b, c = axes[axis, low], axes[axis, (low + high) // 2], axes[axis, high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while i < high and axes[axis, i] < pivot:
                i += 1
            while j > low and axes[axis, j] > pivot:
                j -= 1
            if i <= j:
                for other in range(3):
                    axes[other, i], axes[other, j] = axes[other, j], axes[other, i]
                index[i], index[j] = index[j], index[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@kernel(
    "void(F[:, :, ::1], i8, i8, i8, i8, F[:, :, :, ::1], i4[:, :, ::1], F[:, :, ::1], F[:, ::1], I[:, ::1], "
    "i8[:, :, ::1])"
)
def _search(query, first, last, number, depth, leaves, order, boxes, room, bits, found):  # type: ignore[no-untyped-def]
    """Fills rows ``first`` to ``last`` of ``found``, counted over all clouds, in the order (distance, index).

    ``room``, ``(2, max(k, _BLOCK))``, is for the smallest distances and for those of a leaf; ``bits``, the same memory
    as integers. Floats that aren't negative are in the order of their bits, and vector instructions find the smallest
    integer, but not the smallest float, as it may not be a number.
    """
    rows, k = found.shape[1], found.shape[2]
    best, smallest, which = room[0], bits[0], np.empty(k, np.int64)
    stack, bounds = np.empty(depth + 1, np.int64), np.empty(depth + 1, room.dtype)
    for row in range(first, last):
        cloud = row // rows
        x, y, z = query[cloud, row % rows]
        for j in range(k):
            smallest[j], which[j] = np.iinfo(bits.dtype).max, 0
        box, high, node = boxes[cloud], 0, 1
        while True:
            while node < 1 << depth:
                near, far = 2 * node, 2 * node + 1
                nearer, farther = _box_distance(box[near], x, y, z), _box_distance(box[far], x, y, z)
                if farther < nearer:
                    near, far, nearer, farther = far, near, farther, nearer
                if not farther > best[k - 1]:
                    stack[high], bounds[high] = far, farther
                    high += 1
                node = near
            leaf = node - (1 << depth)
            _collect(leaves[cloud, leaf], order[cloud, leaf], x, y, z, room[1], bits[1], smallest, which)
            # A box as far as the last neighbour may hold a point as far with a lower index.
            while high > 0 and bounds[high - 1] > best[k - 1]:
                high -= 1
            if high > 0:
                high -= 1
                node = stack[high]
            elif depth == 0 and leaf + 1 < order.shape[1]:
                node += 1
            else:
                break
        for j in range(k):
            # Where a distance is no number, a place of padding may come before it.
            found[cloud, row % rows, j] = min(which[j], number - 1)


@inlined
def _box_distance(box, x, y, z):  # type: ignore[no-untyped-def]
    zero = x - x  # of the kind of coordinates: the product with an integer would make everything double
    dx = max(box[0] - x, x - box[1], zero)
    dy = max(box[2] - y, y - box[3], zero)
    dz = max(box[4] - z, z - box[5], zero)
    return dx * dx + dy * dy + dz * dz


@inlined
def _collect(leaf, order, x, y, z, room, bits, smallest, which):  # type: ignore[no-untyped-def]
    """Takes the points of a leaf into the list of the nearest."""
    for i in range(len(order)):
        dx, dy, dz = x - leaf[0, i], y - leaf[1, i], z - leaf[2, i]
        room[i] = dx * dx + dy * dy + dz * dz
    least = bits[0]
    for i in range(len(order)):
        least = bits[i] if bits[i] < least else least
    last = len(which) - 1
    if least > smallest[last]:
        return
    for i in range(len(order)):
        value, index = bits[i], order[i]
        if value < smallest[last] or (value == smallest[last] and index < which[last]):
            place = last
            while place > 0 and (
                value < smallest[place - 1] or (value == smallest[place - 1] and index < which[place - 1])
            ):
                smallest[place], which[place] = smallest[place - 1], which[place - 1]
                place -= 1
            smallest[place], which[place] = value, index


@kernel("void(F[:, :, ::1], F[:, :, ::1], i8, i8, i8[:, :, ::1])")
def _nearest(query, points, first, last, found):  # type: ignore[no-untyped-def]
    """Fills clouds ``first`` to ``last`` with the one nearest point; all queries look at four points at a time."""
    rows, number = query.shape[1], points.shape[1]
    x, y, z = np.empty(rows, query.dtype), np.empty(rows, query.dtype), np.empty(rows, query.dtype)
    best, which = np.empty((2, rows), query.dtype), np.empty((2, rows), np.int32)
    four = np.empty((3, 4), query.dtype)
    for cloud in range(first, last):
        for i in range(rows):
            x[i], y[i], z[i] = query[cloud, i, 0], query[cloud, i, 1], query[cloud, i, 2]
            best[0, i], which[0, i] = np.inf, 0
        side = 0
        for j in range(0, number, 4):
            for i in range(4):
                for axis in range(3):
                    four[axis, i] = points[cloud, j + i, axis] if j + i < number else np.inf
            _compare(x, y, z, four, j, best[side], which[side], best[1 - side], which[1 - side])
            side = 1 - side
        for i in range(rows):
            found[cloud, i, 0] = which[side, i]


@inlined
def _compare(x, y, z, four, index, best, which, new, newest):  # type: ignore[no-untyped-def]
    # From one array to another: in place, the compiler would store only what changes, which takes twice as long.
    first, second, third, fourth = np.int32(index), np.int32(index + 1), np.int32(index + 2), np.int32(index + 3)
    ax, ay, az, bx, by, bz = four[0, 0], four[1, 0], four[2, 0], four[0, 1], four[1, 1], four[2, 1]
    cx, cy, cz, dx, dy, dz = four[0, 2], four[1, 2], four[2, 2], four[0, 3], four[1, 3], four[2, 3]
    for i in range(len(new)):
        near, place = best[i], which[i]
        near, place = _nearer(x[i] - ax, y[i] - ay, z[i] - az, first, near, place)
        near, place = _nearer(x[i] - bx, y[i] - by, z[i] - bz, second, near, place)
        near, place = _nearer(x[i] - cx, y[i] - cy, z[i] - cz, third, near, place)
        near, place = _nearer(x[i] - dx, y[i] - dy, z[i] - dz, fourth, near, place)
        new[i], newest[i] = near, place


@inlined
def _nearer(dx, dy, dz, index, near, place):  # type: ignore[no-untyped-def]
    distance = dx * dx + dy * dy + dz * dz
    return (distance if distance < near else near), (index if distance < near else place)
