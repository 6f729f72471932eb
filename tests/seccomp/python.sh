set -eu
cat >t.py <<'PY'
import asyncio, ctypes, fcntl, hashlib, mmap, multiprocessing, os, pty, select, shutil, signal, socket, sqlite3, ssl
import subprocess, sys, tempfile, termios, threading, time, concurrent.futures as futures, resource, array

def square(n):
    return n * n

async def child():
    process = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    assert (await process.communicate(b'x'))[0] == b'x'

def main():
    ssl.create_default_context(); hashlib.scrypt(b'a', salt=b'b', n=2, r=1, p=1)
    assert subprocess.run('echo hi | cat', shell=True, capture_output=True).stdout == b'hi\n'
    thread = threading.Thread(target=time.sleep, args=(0.01,)); thread.start(); thread.join()
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(4)) == [0, 1, 4, 9]
    with futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, [3])) == [9]
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=64); block.close(); block.unlink()
    asyncio.run(child())
    sqlite3.connect('d.db').execute('pragma journal_mode=wal').execute('create table t(a)')
    a, b = socket.socketpair(); a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))]); b.recvmsg(1, 64)
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK).close()
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(); socket.if_nameindex()
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcgetattr(0); os.get_terminal_size(0); os.execvp('stty', ['stty', '-echo', 'rows', '9'])
    while True:
        try:
            if not os.read(terminal, 99): break
        except OSError: break
    assert os.waitpid(pid, 0)[1] == 0
    with open('f', 'w+b') as f:
        f.write(b'x' * 4096); f.flush(); fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)
        mmap.mmap(f.fileno(), 4096).flush(); os.posix_fallocate(f.fileno(), 0, 9); os.fsync(f.fileno())
    shutil.copy('f', 'g'); os.listxattr('g'); os.mkfifo('p'); os.sched_getaffinity(0); os.nice(1); os.getloadavg()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); os.memfd_create('m'); os.getrandom(8)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 0.01); signal.sigwait([signal.SIGALRM])
    os.close(os.pidfd_open(os.getpid())); select.epoll().close(); select.poll().poll(1)
    ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)()

if __name__ == '__main__':
    main()
PY
/usr/bin/python3 t.py
