"""nginx's configurations: HTTP/1.1 with proxy_pass, HTTP/2 and gRPC with grpc_pass (it has no other way to speak HTTP/2
to a server); stub_status on, no access log."""

import resource

from .peers import Ports


def http(ports: Ports, protocol, authority, path, header):
    """Routes one path of one authority with one header; ``protocol`` is h1 or h2, on both sides."""
    name, value = header
    variable = name.replace("-", "_")
    if protocol == "h2":
        flag, way = " http2", "grpc_pass grpc://echo;"
    else:
        # Bodies of 64 KiB stay in memory both ways, as the others do it.
        flag, way = "", """proxy_pass http://echo;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;"""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"""worker_processes 1;
daemon off;
pid nginx.pid;
events {{ worker_connections {min(60000, files - 100)}; }}
http {{
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_body_buffer_size 128k;
    client_body_temp_path nginx-body;
    proxy_temp_path nginx-proxy;
    fastcgi_temp_path nginx-fastcgi;
    uwsgi_temp_path nginx-uwsgi;
    scgi_temp_path nginx-scgi;
    upstream echo {{
        server 127.0.0.1:{ports.backend};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{ports.admin};
        location = / {{ stub_status; }}
    }}
    server {{
        listen 127.0.0.1:{ports.listen}{flag} default_server;
        return 404;
    }}
    server {{
        listen 127.0.0.1:{ports.listen}{flag};
        server_name {authority};
        location = {path} {{
            if ($http_{variable} != "{value}") {{ return 404; }}
            {way}
        }}
    }}
}}
"""
