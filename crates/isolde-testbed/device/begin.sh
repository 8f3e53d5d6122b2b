#!/bin/busybox sh
# First process of a device whose time is counted in instructions. It hears nothing of
# the host; what it has to say goes out through serial ports when it is done.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
say() { echo "testbed: $*" >/dev/console; }

# The initramfs cannot be a container's root: on to a file system that can.
if [ "$1" != again ]; then
    busybox mkdir /moved
    busybox mount -t tmpfs -o size=90%,mode=755 none /moved
    for part in /*; do
        [ "$part" = /moved ] || busybox cp -a "$part" /moved
    done
    exec /bin/busybox switch_root /moved /init again
fi

/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm /results /run /testbed/out /tmp /usr/local/bin
mount -t devpts -o mode=620,ptmxmode=666,gid=5 none /dev/pts
mount -t tmpfs -o mode=1777 none /dev/shm
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=1777 none /tmp
for module in /modules/*.ko; do
    insmod "$module" || say "no driver $module"
done
mount -t cgroup2 none /sys/fs/cgroup
for controller in cpuset cpu memory pids io; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || say "no controller $controller"
done
ip link set lo up
hostname isolde
ln -s /isolde /usr/local/bin/isolde

cd /results || say "no folder for results"
sh /testbed/command </dev/null >/testbed/out/stdout 2>/testbed/out/stderr
echo $? >/testbed/out/status

# As they are, without a terminal's ideas of lines.
stty -F /dev/ttyS1 raw -echo 115200
stty -F /dev/ttyS2 raw -echo 115200
tar -c -f /dev/ttyS1 -C /testbed/out . || say "the outputs cannot be given out"
. /testbed/results
if [ -d "$RESULTS" ] && [ -n "$(ls -A "$RESULTS")" ]; then
    tar -c -f /dev/ttyS2 -C "$RESULTS" . || say "the results cannot be given out"
fi
# Until the last bytes have left.
stty -F /dev/ttyS1 >/dev/null
stty -F /dev/ttyS2 >/dev/null
sleep 1
poweroff -f
