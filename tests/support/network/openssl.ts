/** When a certificate holds that is none of a test's concern. */
const ALWAYS = ["20200101000000Z", "20991231000000Z"] as const;

/**
 * Writes a self-signed certificate and its key, `cert.pem` and `key.pem`, by openssl.
 * @param options.name Address that it is for.
 * @param options.days From when to when it holds, as ASN.1 GeneralizedTime.
 */
export async function writeCertificate(
  folder: string,
  { name, days: [from, to] = ALWAYS }: {
    name: string;
    days?: readonly [string, string] | undefined;
  },
): Promise<void> {
  const script = `
    openssl ecparam -name prime256v1 -genkey -noout -out key.pem
    openssl req -new -key key.pem -subj /CN=pinhole -out request.pem
    printf '[ca]\\ndefault_ca=own\\n[own]\\ndatabase=issued\\nserial=serial\\nnew_certs_dir=.\\n' > ca
    printf 'default_md=sha256\\npolicy=any\\n[any]\\ncommonName=supplied\\n' >> ca
    printf '[more]\\nsubjectAltName=IP:${name}\\n' >> ca
    : > issued
    echo 01 > serial
    openssl ca -batch -selfsign -config ca -keyfile key.pem -in request.pem -extensions more \
      -startdate ${from} -enddate ${to} -out cert.pem -notext
    chmod 600 key.pem`;
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-ec", script],
    cwd: folder,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`No certificate: ${new TextDecoder().decode(stderr)}`);
}
