"""The one error of this subpackage, and the limits that turn a hostile file into it."""

MEBIBYTE = 2**20

_FLOOR = 16 * MEBIBYTE
"""Bytes that the objects and the tensors of a small file may each cost in any case."""
_OPERATION_COST = 128
"""Bytes that one opcode of a pickle makes Python allocate, at most on average."""
_MAX_OPERATIONS = 1_000_000
"""Opcodes of one file: two seconds. Checkpoints with optimiser states have under 100,000."""


class RefusedFileError(Exception):
    """A file that is not imported.

    Args:
        problem: why, a sentence with its full stop that does not repeat the file's name.
        remedy: what to do, an imperative sentence with its full stop.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}"


DAMAGED = "It is damaged or was made to do harm: download it again from its authors."


def damaged(problem: str) -> RefusedFileError:
    """Return the error for a file that breaks the rules of its own format."""
    return RefusedFileError(problem, DAMAGED)


class Budget:
    """How much a file may cost, in proportion to its size, counted before anything is allocated.

    Objects may take as much memory as the file has bytes and tensors twice as much (half precision
    becomes float32), but 32 MiB are free.
    """

    def __init__(self, file_size: int) -> None:
        """Start counting.

        Args:
            file_size: bytes of the file.
        """
        self.file_size = file_size
        self._objects = max(_FLOOR, file_size)
        self._tensors = max(_FLOOR, 2 * file_size)
        self._operations = min(_MAX_OPERATIONS, self._objects // _OPERATION_COST)

    def count_operations(self, number: int) -> None:
        """Count opcodes.

        Raises:
            RefusedFileError: there are too many.
        """
        self._operations -= number
        if self._operations < 0:
            raise damaged(
                f"It has more objects than a checkpoint of {self.file_size:,} bytes needs."
            )

    def allocate_object(self, size: int) -> None:
        """Count bytes of text or of a table.

        Raises:
            RefusedFileError: there are too many.
        """
        self._objects -= size
        if self._objects < 0:
            raise damaged(f"It wants {size:,} bytes of memory for {self.file_size:,} bytes.")

    def allocate_tensor(self, size: int) -> None:
        """Count bytes of a tensor.

        Raises:
            RefusedFileError: there are too many.
        """
        self._tensors -= size
        if self._tensors < 0:
            raise damaged(
                f"Its tensors take more memory than a file of {self.file_size:,} bytes can fill."
            )
