// The names of an environment that only its network reaches: the network, and those that are linked to the zone, find
// its apps by them.

@description('Domain below which each app has its name.')
param domain string
@description('Address of the ingress in the network.')
param address string
@description('Network that uses the zone.')
param networkId string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: domain
  location: 'global'

  resource apps 'A' = {
    name: '*'
    properties: {
      ttl: 300
      aRecords: [
        {
          ipv4Address: address
        }
      ]
    }
  }

  resource link 'virtualNetworkLinks' = {
    name: 'network'
    location: 'global'
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
}
