FROM busybox
ENV A=other
