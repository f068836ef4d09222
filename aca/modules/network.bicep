// The virtual network: one subnet for the replicas, one for the private addresses of Redis and Key Vault.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Address space, a /22 or larger.')
param prefix string

resource network 'Microsoft.Network/virtualNetworks@2025-07-01' = {
  name: '${name}-network'
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: [prefix]
    }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: cidrSubnet(prefix, 23, 0)
          delegations: [
            {
              name: 'container-apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(prefix, 24, 2)
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource apps 'subnets' existing = {
    name: 'apps'
  }

  resource endpoints 'subnets' existing = {
    name: 'endpoints'
  }
}

@description('Id of the network.')
output id string = network.id
@description('Subnet of the environment.')
output appSubnetId string = network::apps.id
@description('Subnet of the private endpoints.')
output endpointSubnetId string = network::endpoints.id
