/** Defines `<pinhole-player>`, and declares its type for React. */
import type { DetailedHTMLProps, HTMLAttributes } from "react";
import "pinhole-client/player";
import type { PinholePlayerElement } from "pinhole-client/player";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "pinhole-player":
        & DetailedHTMLProps<HTMLAttributes<PinholePlayerElement>, PinholePlayerElement>
        & { server?: string; session?: string; token?: string; idle?: string; muted?: boolean };
    }
  }
}
