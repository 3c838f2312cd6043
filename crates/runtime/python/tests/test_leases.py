import unittest
from unittest import mock

from beep_python import _leases
from beep_python._leases import MAX_EXPIRED, Leases
from beep_python._limits import RequestLimits

from .sessions import DISPOSE, EVALUATE, GETATTR, SessionTest

RENEW = 16


class LeasesTest(unittest.TestCase):
    def setUp(self):
        self.now = 100.0
        patched = mock.patch.object(_leases, "monotonic", lambda: self.now)
        patched.start()
        self.addCleanup(mock.patch.stopall)
        self.leases = Leases()

    def test_a_use_begins_it_anew(self):
        self.leases.begin("a", 10)
        self.leases.begin("b", 5)
        self.assertEqual(self.leases.due, 105)
        self.now = 104
        self.leases.use("b")
        self.now = 105
        self.assertEqual(self.leases.expire(), [])
        self.assertEqual(self.leases.due, 109)
        self.now = 110
        self.assertEqual(self.leases.expire(), ["a", "b"])
        self.assertEqual((self.leases.due, self.leases.expired), (None, {"a": 10, "b": 5}))

    def test_long_calls_do_not_count_and_give_nobody_more_than_a_whole_lease(self):
        self.leases.begin("before", 10)
        self.now = 160
        self.leases.begin("made in it", 10)
        self.leases.extend_all(60)
        self.assertEqual(self.leases.ends, {"before": 170, "made in it": 170})
        self.assertEqual(self.leases.left("before"), (10, 10))

    def test_few_of_those_that_ran_out_are_remembered(self):
        for n in range(MAX_EXPIRED + 10):
            self.leases.begin(n, 1)
        self.now = 200
        self.assertEqual(len(self.leases.expire()), MAX_EXPIRED + 10)
        self.assertEqual(len(self.leases.expired), MAX_EXPIRED)
        self.assertNotIn(0, self.leases.expired)


class LeasedHandlesTest(SessionTest):
    def leased(self, code):
        self.session.handles.request_limits = RequestLimits(b'{"leaseMs": 50}')
        handle_id = self.handle(EVALUATE, expression=code)["handleId"]
        self.session.handles.request_limits = None
        return handle_id

    def expire(self):
        later = _leases.monotonic() + 60
        with mock.patch.object(_leases, "monotonic", lambda: later):
            self.session.release_expired()

    def test_what_ran_out_says_so_and_what_was_disposed_of_does_not(self):
        over, gone = self.leased("1j"), self.leased("2j")
        self.read(DISPOSE, handleId=gone)
        self.expire()
        code, detail = self.refused(GETATTR, handleId=over, attributeName="x")
        self.assertEqual(code, "handle_expired")
        self.assertIn("0.05 s", detail)
        self.assertEqual(self.refused(GETATTR, handleId=gone, attributeName="x")[0], "unknown_handle")
        self.assertEqual(self.read(RENEW, handleIds=[over, gone]), {"success": True, "renewed": 0})

    def test_an_object_that_raises_at_its_end_is_only_reported(self):
        self.evaluate("class Bad:\n    def __iter__(self): return self\n    def __next__(self): return 1")
        first, second = self.leased("Bad()"), self.leased("1j")
        with mock.patch.object(self.session, "release", side_effect=KeyboardInterrupt) as release:
            self.expire()
        self.assertEqual([call.args[0] for call in release.call_args_list], [first, second])
