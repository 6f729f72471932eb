set -eu
for flag in -U -m -n -p -i -u -C; do
  ! unshare $flag true 2>/dev/null || { echo "unshare $flag works"; exit 1; }
done
cat >t.py <<'PY'
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def errno(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_ulong(a) for a in args])
    return ctypes.get_errno() if result == -1 else 0
import platform
if platform.machine() == 'x86_64':
    wanted = {'ptrace': (101, 1), 'bpf': (321, 1), 'perf_event_open': (298, 1), 'userfaultfd': (323, 1), 'add_key': (248, 1),
      'keyctl': (250, 1), 'mount': (165, 1), 'chroot': (161, 1), 'kexec_load': (246, 1), 'init_module': (175, 1),
      'process_vm_readv': (310, 1), 'setns': (308, 1), 'reboot': (169, 1), 'io_uring_setup': (425, 38), 'clone3': (435, 38)}
    for name, (number, want) in wanted.items():
        got = errno(number, 0, 0, 0, 0, 0, 0)
        assert got == want, f'{name}: errno {got}'
for family, kind, protocol in [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_DGRAM, 1), (17, 3, 0), (40, 1, 0),
      (38, 5, 0), (16, 3, 9), (socket.AF_INET, socket.SOCK_STREAM, 262), (socket.AF_INET, socket.SOCK_STREAM, 132), (2, 2, 136), (2, 6, 33)]:
    try: socket.socket(family, kind, protocol)
    except PermissionError: continue
    sys.exit(f'socket({family}, {kind}, {protocol}) works')
import fcntl, pty
master, slave = pty.openpty()
for command in (0x5412, 0x541c, 0x5423, 0x541d):
    try: fcntl.ioctl(slave, command, b'x\0\0\0')
    except PermissionError: continue
    sys.exit(f'ioctl {command:#x} works')
# The upper half of the register is not part of the command (CVE-2019-10063).
libc.syscall.restype = ctypes.c_long
if platform.machine() == 'x86_64':
    assert errno(16, slave, 0x5412 | 1 << 32, id(b'x') + 32) == 1
PY
/usr/bin/python3 t.py
