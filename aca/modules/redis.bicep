// The one thing gateways and workers share. It holds work and sessions, so nothing may be evicted, and a restart must
// lose at most a second.

param location string
param name string
param sku string
param highAvailability bool

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: '${name}-redis'
  location: location
  sku: {
    name: sku
  }
  properties: {
    minimumTlsVersion: '1.2'
    highAvailability: highAvailability ? 'Enabled' : 'Disabled'
    publicNetworkAccess: 'Enabled'
  }

  resource database 'databases' = {
    name: 'default'
    properties: {
      clientProtocol: 'Encrypted'
      port: 10000
      // One endpoint, so a plain client is enough; up to 25 GB.
      clusteringPolicy: 'NoCluster'
      evictionPolicy: 'NoEviction'
      persistence: {
        aofEnabled: true
        aofFrequency: '1s'
        rdbEnabled: false
      }
      // The redis-streams scaler of KEDA cannot sign in with Entra ID.
      accessKeysAuthentication: 'Enabled'
    }
  }
}

output name string = cluster.name
