import { eventually } from "../deadline.ts";
import type { DoctorRoom } from "../doctor/doctor_room.ts";

/** Where the web server of a room listens on the public server. */
export const WEB_PORT = 8080;

/** Starts nginx on the public server of a room. @param locations Of its only server block. */
export async function startWebServer(room: DoctorRoom, locations: string): Promise<void> {
  const { folder } = room;
  const file = await room.write(
    "nginx.conf",
    `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen ${WEB_PORT};
    ${locations}
  }
}
`,
  );
  const nginx = room.start("public", ["nginx", "-c", file]);
  await eventually(
    async () => (await room.network.run("public", "ss -tln")).includes(`:${WEB_PORT} `),
    {
      what: () => `for nginx:\n${nginx.lastWords}`,
    },
  );
}
