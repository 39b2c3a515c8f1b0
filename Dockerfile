# One image with the broker, the command line and the shim: docker build -t sidekey .
# Nothing else is in it: no shell, no package manager, no file that a broken broker could run.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY tools/deps.sh tools/
RUN YES=1 tools/deps.sh build && apt-get install -y -q --no-install-recommends ca-certificates >/dev/null
COPY Makefile ./
COPY common common
COPY broker broker
COPY cli cli
COPY shim shim
RUN make -j"$(nproc)" all && make install DESTDIR=/out
COPY tools/image_root.sh tools/
RUN tools/image_root.sh /out /owned

FROM scratch
COPY --from=build /out/ /
# A new volume gets owner and mode of the folder that it is mounted on.
COPY --from=build --chown=7433:7433 /owned/lib/ /var/lib/
COPY --from=build --chown=7433:7433 /owned/run/ /run/
ENV PATH=/usr/local/bin:/usr/local/sbin
USER 7433:7433
ENTRYPOINT ["/usr/local/bin/sidekey"]
CMD ["help"]
