/** The people who may read, in a stage whose API is not open to everybody. */

import { Aws } from "./shared/aws.js";
import { Session, UserPool } from "./shared/cognito.js";

/**
 * Returns their user pool and the session of the one who is signed in, or null if everybody may read.
 * @param {import("./shared/aws.js").Config} config
 */
export function readers(config) {
  if (!config.user_pool_client_id) return null;
  const userPool = new UserPool(new Aws(config), config.user_pool_client_id);
  return { userPool, session: new Session(userPool) };
}
