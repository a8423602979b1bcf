//! What a drill's servers do not tell, or tell beside, and why nobody misses it.

use super::wire::Request;

/// Fields of the answers of a server to some requests: the fields in words, `*` at an end stands for anything below; and why.
struct Row {
    server: &'static str,
    /// A part of the path.
    request: &'static str,
    under: &'static str,
    fields: &'static str,
    #[expect(dead_code, reason = "for who reads this table")]
    why: &'static str,
}

const FIELDS: &[Row] = &[
    Row {
        server: "docker",
        request: "/version",
        under: "Components[].Details.",
        fields: "Arch BuildTime Experimental GitCommit GoVersion KernelVersion Os",
        why: "how the engine was built",
    },
    Row {
        server: "docker",
        request: "/containers/",
        under: "[].NetworkSettings.Networks.*.",
        fields: "Aliases DriverOpts DNSNames EndpointID GlobalIPv6PrefixLen IPAMConfig IPPrefixLen IPv6Gateway Links MacAddress NetworkID",
        why: "of a network the name and the addresses are read",
    },
    Row {
        server: "docker",
        request: "/json",
        under: "NetworkSettings.",
        fields: "Bridge EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen HairpinMode IPAddress IPPrefixLen IPv6Gateway LinkLocalIPv6Address \
                 LinkLocalIPv6PrefixLen MacAddress Networks.*.Aliases Networks.*.DriverOpts Networks.*.DNSNames Networks.*.EndpointID \
                 Networks.*.GlobalIPv6PrefixLen Networks.*.IPAMConfig Networks.*.IPPrefixLen Networks.*.IPv6Gateway Networks.*.Links \
                 Networks.*.MacAddress Networks.*.NetworkID SandboxID SandboxKey SecondaryIPAddresses SecondaryIPv6Addresses",
        why: "of a network the name and the addresses are read",
    },
    Row {
        server: "docker",
        request: "/json",
        under: "HostConfig.",
        fields: "Annotations AutoRemove Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps \
                 BlkioWeight BlkioWeightDevice CapAdd CapDrop Cgroup CgroupParent CgroupnsMode ConsoleSize ContainerIDFile CpuCount \
                 CpuPercent CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpusetCpus CpusetMems DeviceCgroupRules \
                 DeviceRequests Devices Dns DnsOptions DnsSearch ExtraHosts GroupAdd IOMaximumBandwidth IOMaximumIOps IpcMode Isolation \
                 KernelMemory KernelMemoryTCP Links LogConfig MaskedPaths MemoryReservation MemorySwap MemorySwappiness OomKillDisable \
                 OomScoreAdj PidMode PidsLimit PortBindings Privileged PublishAllPorts ReadonlyPaths ReadonlyRootfs Runtime SecurityOpt \
                 ShmSize UTSMode Ulimits UsernsMode VolumeDriver VolumesFrom",
        why: "of what a container may use its memory, its processors, its network and its restart policy are read",
    },
    Row {
        server: "docker",
        request: "/json",
        under: "Config.",
        fields: "AttachStderr AttachStdin AttachStdout Domainname Entrypoint Healthcheck OnBuild OpenStdin StdinOnce User Volumes WorkingDir",
        why: "how it was started is shown in an inspection, and read by nobody",
    },
    Row {
        server: "docker",
        request: "/json",
        under: "",
        fields: "AppArmorProfile ExecIDs GraphDriver HostnamePath HostsPath LogPath MountLabel ProcessLabel ResolvConfPath ImageManifestDescriptor",
        why: "places of files on the engine's machine",
    },
    Row {
        server: "docker",
        request: "/stats",
        under: "[].",
        fields: "blkio_stats.io_merged_recursive blkio_stats.io_queue_recursive blkio_stats.io_service_time_recursive blkio_stats.io_serviced_recursive \
                 blkio_stats.io_time_recursive blkio_stats.io_wait_time_recursive blkio_stats.sectors_recursive cpu_stats.cpu_usage.percpu_usage \
                 cpu_stats.throttling_data precpu_stats.cpu_usage.percpu_usage precpu_stats.throttling_data memory_stats.max_usage \
                 memory_stats.failcnt memory_stats.stats.*",
        why: "counters that no pane shows; of the memory's own the inactive files are told, which are taken off",
    },
    Row {
        server: "docker",
        request: "/stats",
        under: "[].",
        fields: "networks*",
        why: "the lab's containers have no network",
    },
    Row {
        server: "prometheus",
        request: "/targets",
        under: "data.",
        fields: "droppedTargetCounts",
        why: "told by Prometheus 2.46 and later, which a drill says to be",
    },
    Row {
        server: "alertmanager",
        request: "/alerts",
        under: "",
        fields: "[].status.mutedBy [].alerts[].status.mutedBy",
        why: "told by Alertmanager 0.28, which a drill says to be",
    },
    Row {
        server: "alertmanager",
        request: "/status",
        under: "cluster.",
        fields: "name",
        why: "the lab's is in no cluster",
    },
];

/// Series of a node_exporter that begin like those that are read.
const SERIES: [(&str, &str); 2] = [
    ("node_memory_SwapCached_bytes", "of the swap what there is and what is free is read"),
    ("node_filesystem_device_error", "one that is not told has none"),
];

/// Runbooks with statements that a drill's PostgreSQL does not know.
pub const RUNBOOKS: [(&str, &str); 1] = [("db-add-replica", "a drill has one standby, and makes no slots")];

/// The drill may do without this field, or have it alone.
pub fn is_listed(server: &str, request: &Request, path: &str) -> bool {
    let is = |row: &Row, field: &str| {
        let Some(rest) = path.strip_prefix(row.under) else { return false };
        field.strip_suffix('*').map_or(rest == field, |begin| rest.starts_with(begin))
    };
    let mut rows = FIELDS.iter().filter(|row| row.server == server && request.path.contains(row.request));
    rows.any(|row| row.fields.split_whitespace().any(|field| is(row, field)))
}

pub fn is_unread(name: &str) -> bool {
    SERIES.iter().any(|(series, _)| *series == name)
}
