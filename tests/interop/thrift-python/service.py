"""The demo service in Apache Thrift's Python library, as its compiler would write it."""

from thrift.protocol.TBase import TBase
from thrift.Thrift import TApplicationException, TException, TMessageType, TProcessor, TType


def structure(name, *fields):
    """A struct class with these fields: (id, type, name, type arguments)."""
    highest = max((field[0] for field in fields), default=-1)
    spec = [None] * (highest + 1)
    for field in fields:
        spec[field[0]] = (*field, None)

    def init(self, **values):
        for field in fields:
            setattr(self, field[2], values.get(field[2]))

    def equal(self, other):
        # The library's own compares slots, which only generated code has.
        return type(self) is type(other) and vars(self) == vars(other)

    return type(name, (TBase,), {"thrift_spec": tuple(spec), "__init__": init, "__eq__": equal})


Text = structure("Text", (1, TType.STRING, "text", "UTF8"))
TEXTS = (TType.STRUCT, [Text, Text.thrift_spec], False)
Record = structure(
    "Record",
    (1, TType.STRING, "text", "UTF8"),
    (2, TType.I32, "number", None),
    (3, TType.BOOL, "flag", None),
    (4, TType.LIST, "numbers", (TType.I64, None, False)),
    (5, TType.MAP, "counts", (TType.STRING, "UTF8", TType.I32, None, False)),
    (6, TType.DOUBLE, "ratio", None),
    (7, TType.STRING, "blob", "BINARY"),
    (8, TType.BYTE, "tiny", None),
    (9, TType.I16, "small", None),
    (10, TType.SET, "few", (TType.I32, None, False)),
    (11, TType.MAP, "nested", (TType.I16, None, TType.LIST, TEXTS, False)),
    (20, TType.LIST, "flags", (TType.BOOL, None, False)),
    (21, TType.MAP, "none", (TType.STRING, "UTF8", TType.I64, None, False)),
    (22, TType.LIST, "nobody", (TType.I16, None, False)),
)
STRING_MAP = (TType.STRING, "UTF8", TType.STRING, "UTF8", False)
Nothing = structure("Nothing")
EchoArguments = structure("EchoArguments", (1, TType.STRUCT, "record", [Record, Record.thrift_spec]))
EchoResult = structure("EchoResult", (0, TType.STRUCT, "success", [Record, Record.thrift_spec]))
TextResult = structure("TextResult", (0, TType.STRING, "success", "UTF8"))
MapResult = structure("MapResult", (0, TType.MAP, "success", STRING_MAP))
SleepArguments = structure("SleepArguments", (1, TType.I32, "milliseconds", None), (2, TType.STRING, "text", "UTF8"))


class Failure(TException, Text):
    """The exception that the service declares."""

    def __init__(self, text=None):
        super().__init__()
        self.text = text


FailResult = structure("FailResult", (1, TType.STRUCT, "failure", [Failure, Failure.thrift_spec]))
METHODS = {
    "echo": (EchoArguments, EchoResult),
    "touch": (Nothing, Nothing),
    "note": (Text, None),
    "fail": (Text, FailResult),
    "crash": (Nothing, Nothing),
    "headers": (Nothing, MapResult),
    "sleep": (SleepArguments, TextResult),
}


class Processor(TProcessor):
    """Reads a call, hands it to the handler's method of that name, and writes what came of it."""

    def __init__(self, handler):
        self._handler = handler

    def process(self, iprot, oprot):
        name, _, seqid = iprot.readMessageBegin()
        arguments, result = METHODS.get(name, (Nothing, None))
        call = arguments()
        call.read(iprot)
        iprot.readMessageEnd()
        if name not in METHODS:
            kind, answer = TMessageType.EXCEPTION, TApplicationException(
                TApplicationException.UNKNOWN_METHOD, f"Unknown function {name}"
            )
        else:
            kind, answer = self._answer(name, call, iprot, oprot)
        if name in METHODS and result is None:
            return
        oprot.writeMessageBegin(name, kind, seqid)
        answer.write(oprot)
        oprot.writeMessageEnd()
        oprot.trans.flush()

    def _answer(self, name, call, iprot, oprot):
        try:
            return TMessageType.REPLY, getattr(self._handler, name)(call, iprot, oprot)
        except RuntimeError:
            internal = TApplicationException(TApplicationException.INTERNAL_ERROR, "Internal error")
            return TMessageType.EXCEPTION, internal
